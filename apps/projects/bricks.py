"""The kinds of stages, in one literal dict."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Brick:
    """A kind of stage: its ports, the types at them, whether tasks rest there and who works on them."""

    name: str
    label: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    holds_tasks: bool = False
    is_end: bool = False
    worked_by: str = ""  # "people", "programs" or nobody
    needs: tuple[str, ...] = ()  # foreign keys of the stage that must be set
    options: dict[str, object] = field(default_factory=dict)  # config keys and their defaults
    output_type: str | None = None  # None: what comes in goes out


BRICKS: dict[str, Brick] = {
    brick.name: brick
    for brick in (
        Brick("dataset-input", "Dataset", (), ("next",), needs=("dataset",), output_type="image_items"),
        Brick("labelset-input", "Labelset", (), ("next",), needs=("labelset",), output_type="image_bbox"),
        Brick("type-cast", "Type cast", ("in",), ("next",), needs=("taxonomy",), output_type="image_bbox"),
        Brick(
            "brightics-aia-autolabel",
            "Active learning",
            ("in", "feedback"),
            ("label", "flush"),
            holds_tasks=True,
            needs=("taxonomy",),
            options={
                "batch_size": 100,
                "strategy": "least-confident",
                "audit_share": 0.1,
                "preset": "",
                "automatic": False,
                "train_after": 100,
                "keep_stocked": 50,
            },
        ),
        Brick(
            "manual-labeling",
            "Manual labeling",
            ("in", "feedback"),
            ("next",),
            holds_tasks=True,
            worked_by="people",
            needs=("taxonomy",),
            output_type="image_bbox",
        ),
        Brick(
            "remote-labeling",
            "Remote labeling",
            ("in",),
            ("next",),
            holds_tasks=True,
            worked_by="programs",
            needs=("taxonomy",),
            output_type="image_bbox",
        ),
        Brick(
            "expert-review",
            "Expert review",
            ("in",),
            ("passed", "failed"),
            holds_tasks=True,
            worked_by="people",
            options={"allow_edit": True, "sample": 1.0},
        ),
        Brick("feedback", "Feedback", ("in",), ("feedback",)),
        Brick("task-random-filter", "Random filter", ("in",), ("targets",)),
        Brick("labelset-output", "Labelset output", ("in",), (), holds_tasks=True, is_end=True, needs=("labelset",)),
    )
}

ALIASES = {"manual-label": "manual-labeling"}


def brick_choices() -> list[tuple[str, str]]:
    return [(brick.name, brick.label) for brick in BRICKS.values()]
