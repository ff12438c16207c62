"""The detector's network: backbone, a light PAN, a decoupled head shared by its levels, and the decoding of boxes."""

import math
from dataclasses import asdict, dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .backbone import TAPS, Backbone

STRIDES = (8, 16, 32)
EMBEDDING = 64
_MAX_LOG_DISTANCE = 6.0
_START_SCORE = 0.01


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """What is needed to build the network again: canvas (width, height), head rows by class id."""

    class_ids: tuple[int, ...]
    canvas: tuple[int, int]
    width: int
    frozen_blocks: int

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "ModelConfig":
        return cls(tuple(values["class_ids"]), tuple(values["canvas"]), values["width"], values["frozen_blocks"])


class Separable(nn.Module):
    """Depthwise 3x3 and pointwise convolution; a norm for each of `levels` inputs, so that levels may share weights."""

    def __init__(self, width: int, levels: int = 1) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(width, width, 3, padding=1, groups=width, bias=False)
        self.pointwise = nn.Conv2d(width, width, 1, bias=False)
        self.norms = nn.ModuleList(nn.BatchNorm2d(width) for _ in range(levels))

    def forward(self, x: Tensor, level: int = 0) -> Tensor:
        return F.relu(self.norms[level](self.pointwise(self.depthwise(x))), inplace=True)


class Lateral(nn.Module):
    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.pointwise = nn.Conv2d(inputs, width, 1, bias=False)
        self.norm = nn.BatchNorm2d(width)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.norm(self.pointwise(x))
        return out


class Neck(nn.Module):
    """Path aggregation (Liu et al., arXiv 1803.01534) with sums: top down, then bottom up."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.laterals = nn.ModuleList(Lateral(channels, width) for channels in TAPS.values())
        self.down4, self.down3 = Separable(width), Separable(width)
        self.shrink3, self.shrink4 = Separable(width), Separable(width)
        self.up4, self.up5 = Separable(width), Separable(width)

    def forward(self, taps: list[Tensor]) -> list[Tensor]:
        c3, c4, c5 = (lateral(tap) for lateral, tap in zip(self.laterals, taps, strict=True))
        p4 = self.down4(c4 + F.interpolate(c5, scale_factor=2.0, mode="nearest"))
        p3 = self.down3(c3 + F.interpolate(p4, scale_factor=2.0, mode="nearest"))
        n4 = self.up4(p4 + self.shrink3(F.avg_pool2d(p3, 2)))
        return [p3, n4, self.up5(c5 + self.shrink4(F.avg_pool2d(n4, 2)))]


class Head(nn.Module):
    """Features of the levels -> class logits (n, a, c) and log distances to the four sides, in strides (n, a, 4)."""

    def __init__(self, width: int, classes: int, depth: int = 2) -> None:
        super().__init__()
        levels = len(STRIDES)
        self.class_tower = nn.ModuleList(Separable(width, levels=levels) for _ in range(depth))
        self.box_tower = nn.ModuleList(Separable(width, levels=levels) for _ in range(depth))
        self.classify = nn.Conv2d(width, classes, 1)
        self.regress = nn.Conv2d(width, 4, 1)
        _start_at(self.classify, -math.log((1 - _START_SCORE) / _START_SCORE))
        _start_at(self.regress, 1.0)

    def forward(self, features: list[Tensor]) -> tuple[Tensor, Tensor]:
        logits, distances = [], []
        for level, feature in enumerate(features):
            of_class = of_box = feature
            for class_layer, box_layer in zip(self.class_tower, self.box_tower, strict=True):
                of_class, of_box = class_layer(of_class, level), box_layer(of_box, level)
            logits.append(self.classify(of_class).flatten(2))
            distances.append(self.regress(of_box).flatten(2))
        return torch.cat(logits, 2).transpose(1, 2), torch.cat(distances, 2).transpose(1, 2)


def _start_at(layer: nn.Conv2d, value: float) -> None:
    nn.init.normal_(layer.weight, std=0.01)
    if layer.bias is not None:
        nn.init.constant_(layer.bias, value)


def anchor_points(canvas: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Centers of all cells in pixels (a, 2) and their strides (a,)."""
    points, strides = [], []
    for stride in STRIDES:
        xs = (torch.arange(canvas[0] // stride) + 0.5) * stride
        ys = (torch.arange(canvas[1] // stride) + 0.5) * stride
        grid = torch.stack(torch.meshgrid(xs, ys, indexing="xy"), -1).reshape(-1, 2)
        points.append(grid)
        strides.append(torch.full((len(grid),), float(stride)))
    return torch.cat(points), torch.cat(strides)


class DetectorModel(nn.Module):
    """Images (n, 3, h, w) in 0..255 -> logits (n, a, c), boxes (n, a, 4) pixel xyxy, unit embedding (n, e)."""

    points: Tensor
    strides: Tensor
    projection: Tensor

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.backbone = Backbone(config.frozen_blocks)
        self.neck = Neck(config.width)
        self.head = Head(config.width, len(config.class_ids))
        points, strides = anchor_points(config.canvas)
        self.register_buffer("points", points, persistent=False)
        self.register_buffer("strides", strides, persistent=False)
        # A fixed random projection keeps distances (Johnson and Lindenstrauss) in a fifth of the bytes.
        generator = torch.Generator().manual_seed(0)
        projection = torch.randn(len(STRIDES) * config.width, EMBEDDING, generator=generator) / EMBEDDING**0.5
        self.register_buffer("projection", projection, persistent=False)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        features = self.neck(self.backbone((images - 127.0) / 128.0))
        logits, distances = self.head(features)
        reach = distances.clamp(max=_MAX_LOG_DISTANCE).exp() * self.strides[:, None]
        boxes = torch.cat([self.points - reach[..., :2], self.points + reach[..., 2:]], -1)
        # Of what the head sees: training may leave the backbone's deepest features saturated, the same for every image.
        seen = torch.cat([feature.detach().mean((2, 3)) for feature in features], 1)
        embedding = F.normalize(seen.float() @ self.projection, dim=1)
        return logits, boxes, embedding
