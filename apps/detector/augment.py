"""Augmentation of whole batches on the device: mosaic, scale and crop, flips, color."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from .images import GRAY

_MIN_VISIBLE = 0.25
_MIN_SIDE = 2.0


@dataclass(frozen=True, slots=True)
class Batch:
    """images (n, 3, h, w) floats 0..255; boxes (n, m, 4) pixel xyxy; rows (n, m) head rows, -1 a filler."""

    images: Tensor
    boxes: Tensor
    rows: Tensor


@dataclass(frozen=True, slots=True)
class Tiles:
    """What augmentation draws from: pixels (n, h, w, 3) uint8, sizes (n, 2) in pixels, boxes and rows as in a Batch."""

    pixels: Tensor
    sizes: Tensor
    boxes: Tensor
    rows: Tensor


def plain(tiles: Tiles) -> Batch:
    """As prediction will see them."""
    images = tiles.pixels.permute(0, 3, 1, 2).float().contiguous(memory_format=torch.channels_last)
    return Batch(images, tiles.boxes, tiles.rows)


class Augmenter:
    """Turns tiles into a batch. A mosaic takes four tiles an image, one a quadrant around a random center."""

    def __init__(self, scale: tuple[float, float], generator: torch.Generator, flip_vertical: bool = True) -> None:
        self.scale, self.generator, self.flip_vertical = scale, generator, flip_vertical

    def __call__(self, tiles: Tiles, mosaic: bool) -> Batch:
        """n tiles -> n images, or n // 4 where `mosaic`."""
        height, width = tiles.pixels.shape[1:3]
        canvas = torch.tensor([width, height], dtype=torch.float32, device=tiles.pixels.device)
        group = 4 if mosaic else 1
        count = len(tiles.pixels) // group
        zoom, sign = self._zoom(len(tiles.pixels), canvas), self._signs(len(tiles.pixels), canvas)
        low, high = self._windows(count, canvas, group)
        offset = self._offsets(tiles.sizes * zoom, low, high)
        boxes, rows = _place_boxes(tiles, zoom, sign, offset, low, high)
        images = self._sample(tiles, zoom, sign, offset, low, high, group)
        boxes, rows = boxes.reshape(count, -1, 4), rows.reshape(count, -1)
        return _compact(self._color(images), boxes, rows)

    def _rand(self, *shape: int, like: Tensor) -> Tensor:
        return torch.rand(*shape, generator=self.generator).to(like.device)

    def _zoom(self, count: int, canvas: Tensor) -> Tensor:
        low, high = torch.log(torch.tensor(self.scale)).tolist()
        common = self._rand(count, 1, like=canvas) * (high - low) + low
        stretch = (self._rand(count, 1, like=canvas) - 0.5) * 0.2
        return torch.exp(torch.cat([common + stretch, common - stretch], 1))

    def _signs(self, count: int, canvas: Tensor) -> Tensor:
        flips = (self._rand(count, 2, like=canvas) < 0.5).float()
        if not self.flip_vertical:
            flips[:, 1] = 0
        return 1 - 2 * flips

    def _windows(self, count: int, canvas: Tensor, group: int) -> tuple[Tensor, Tensor]:
        """The part of the output each tile fills: low and high corners (n, 2)."""
        if group == 1:
            return torch.zeros(count, 2, device=canvas.device), canvas.expand(count, 2)
        center = (self._rand(count, 2, like=canvas) * 0.4 + 0.3).mul(canvas).round()
        zero, full = torch.zeros_like(center), canvas.expand(count, 2)
        xs = [(zero, center), (center, full)]
        low = [torch.stack([xs[i][0][:, 0], xs[j][0][:, 1]], 1) for j in (0, 1) for i in (0, 1)]
        high = [torch.stack([xs[i][1][:, 0], xs[j][1][:, 1]], 1) for j in (0, 1) for i in (0, 1)]
        return torch.stack(low, 1).reshape(-1, 2), torch.stack(high, 1).reshape(-1, 2)

    def _offsets(self, size: Tensor, low: Tensor, high: Tensor) -> Tensor:
        """Where the scaled tile's top left comes to lie: anywhere that leaves no needless gap in its window."""
        spare = (high - low) - size
        return low + spare * self._rand(len(size), 2, like=size)

    def _sample(
        self, tiles: Tiles, zoom: Tensor, sign: Tensor, offset: Tensor, low: Tensor, high: Tensor, group: int
    ) -> Tensor:
        """Each output pixel asks its tile for its color; outside the tile it is gray."""
        height, width = tiles.pixels.shape[1:3]
        source = tiles.pixels.permute(0, 3, 1, 2).float() - GRAY
        device = source.device
        canvas = torch.tensor([width, height], dtype=torch.float32, device=device)
        columns = _to_source(torch.arange(width, device=device) + 0.5, 0, zoom, sign, offset, tiles.sizes)
        lines = _to_source(torch.arange(height, device=device) + 0.5, 1, zoom, sign, offset, tiles.sizes)
        columns = torch.where(_within(columns, tiles.sizes[:, :1]), columns, -9e4) * 2 / canvas[0] - 1
        lines = torch.where(_within(lines, tiles.sizes[:, 1:]), lines, -9e4) * 2 / canvas[1] - 1
        if group == 1:
            out = F.grid_sample(source, _grid(columns, lines), mode="bilinear", align_corners=False)
        else:
            out = self._mosaic(source, columns, lines, high[::4].round().long().tolist())
        return (out + GRAY).contiguous(memory_format=torch.channels_last)

    def _mosaic(self, source: Tensor, columns: Tensor, lines: Tensor, centers: list[list[int]]) -> Tensor:
        images = []
        for index, (x, y) in enumerate(centers):
            quarters = []
            for place, (rows, cols) in enumerate(
                [(slice(0, y), slice(0, x)), (slice(0, y), slice(x, None)),
                 (slice(y, None), slice(0, x)), (slice(y, None), slice(x, None))]
            ):  # fmt: skip
                tile = index * 4 + place
                grid = _grid(columns[tile : tile + 1, cols], lines[tile : tile + 1, rows])
                quarters.append(F.grid_sample(source[tile : tile + 1], grid, mode="bilinear", align_corners=False))
            top, bottom = torch.cat(quarters[:2], 3), torch.cat(quarters[2:], 3)
            images.append(torch.cat([top, bottom], 2))
        return torch.cat(images)

    def _color(self, images: Tensor) -> Tensor:
        """Brightness, contrast and each channel's balance."""
        count = len(images)
        gain = 1 + (self._rand(count, 3, 1, 1, like=images) - 0.5) * 0.2
        contrast = 1 + (self._rand(count, 1, 1, 1, like=images) - 0.5) * 0.5
        shift = (self._rand(count, 1, 1, 1, like=images) - 0.5) * 50
        mean = images.mean((2, 3), keepdim=True)
        return ((images - mean) * contrast * gain + mean * gain + shift).clamp(0, 255)


def _to_source(at: Tensor, axis: int, zoom: Tensor, sign: Tensor, offset: Tensor, sizes: Tensor) -> Tensor:
    """Output coordinates (w,) -> coordinates in every tile (n, w)."""
    local = (at[None] - offset[:, axis : axis + 1]) / zoom[:, axis : axis + 1]
    flipped = sizes[:, axis : axis + 1] - local
    return torch.where(sign[:, axis : axis + 1] > 0, local, flipped)


def _within(at: Tensor, size: Tensor) -> Tensor:
    return (at >= 0) & (at <= size)


def _grid(columns: Tensor, lines: Tensor) -> Tensor:
    """(n, w), (n, h) -> (n, h, w, 2)."""
    count, width, height = len(columns), columns.shape[1], lines.shape[1]
    return torch.stack(
        [columns[:, None].expand(count, height, width), lines[:, :, None].expand(count, height, width)], -1
    )


def _place_boxes(
    tiles: Tiles, zoom: Tensor, sign: Tensor, offset: Tensor, low: Tensor, high: Tensor
) -> tuple[Tensor, Tensor]:
    """Boxes move with their tile, are cut to its window, and are dropped where too little of them is left."""
    first, second = tiles.boxes[..., :2], tiles.boxes[..., 2:]
    sizes, forward = tiles.sizes[:, None], sign[:, None] > 0
    near = torch.where(forward, first, sizes - second) * zoom[:, None] + offset[:, None]
    far = torch.where(forward, second, sizes - first) * zoom[:, None] + offset[:, None]
    cut_near = torch.maximum(near, low[:, None])
    cut_far = torch.maximum(torch.minimum(far, high[:, None]), cut_near)
    visible = (cut_far - cut_near).prod(-1) / (far - near).prod(-1).clamp(min=1e-6)
    lasting = (visible >= _MIN_VISIBLE) & ((cut_far - cut_near).amin(-1) >= torch.minimum(
        torch.full_like(visible, _MIN_SIDE), (far - near).amin(-1)
    ))  # fmt: skip
    rows = torch.where(lasting, tiles.rows, -1)
    return torch.cat([cut_near, cut_far], -1), rows


def _compact(images: Tensor, boxes: Tensor, rows: Tensor) -> Batch:
    """Real boxes first, no more slots than the fullest image needs."""
    order = torch.argsort((rows < 0).byte(), dim=1, stable=True)
    most = int((rows >= 0).sum(1).max()) if rows.numel() else 0
    order = order[:, :most]
    return Batch(images, boxes.gather(1, order[..., None].expand(-1, -1, 4)), rows.gather(1, order))
