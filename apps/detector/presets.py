"""Named settings of the detector; the device picks one, a stage may choose."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Preset:
    """`size` is the side of a square as large as the canvas, which small objects enlarge up to that of `largest`.

    Steps grow with the images, `min_steps` to `max_steps`.
    """

    name: str
    size: int
    largest: int
    width: int
    frozen_blocks: int
    batch: int
    min_steps: int
    max_steps: int
    steps_per_image: float
    learning_rate: float
    backbone_rate: float = 0.5
    weight_decay: float = 0.02
    mosaic: float = 0.5
    plain_share: float = 0.15
    scale: tuple[float, float] = (0.7, 1.4)
    mixed_precision: bool = True
    inference_batch: int = 8

    def steps(self, images: int) -> int:
        """How long to train on so many images."""
        return round(min(self.max_steps, self.min_steps + self.steps_per_image * images))


PRESETS = {
    "tiny": Preset(
        name="tiny", size=128, largest=128, width=48, frozen_blocks=8, batch=4,
        min_steps=100, max_steps=140, steps_per_image=0.5,
        learning_rate=6e-3, mosaic=0.0, plain_share=0.5, scale=(0.9, 1.1),
    ),
    "cpu": Preset(
        name="cpu", size=320, largest=448, width=96, frozen_blocks=3, batch=8,
        min_steps=200, max_steps=1200, steps_per_image=1.75,
        learning_rate=4e-3,
    ),
    "gpu": Preset(
        name="gpu", size=640, largest=960, width=128, frozen_blocks=1, batch=32,
        min_steps=200, max_steps=3000, steps_per_image=1.5,
        learning_rate=2e-3, inference_batch=32,
    ),
}  # fmt: skip


def choose(device: str) -> Preset:
    """The preset for a torch device type."""
    return PRESETS["gpu" if device == "cuda" else "cpu"]
