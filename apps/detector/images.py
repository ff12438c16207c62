"""From encoded bytes to pixels as a browser shows them, fitted to the detector's canvas."""

import io
import struct
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageOps

from .types import ImageSource, Pixels, UnreadableImage

MAX_PIXELS = 200_000_000
Image.MAX_IMAGE_PIXELS = MAX_PIXELS  # beyond twice as many Pillow itself refuses
GRAY = 114
_ORIENTATION_TAG = 0x0112
_SIDEWAYS = {5, 6, 7, 8}
_DAMAGED = (OSError, SyntaxError, ValueError, TypeError, struct.error, Image.DecompressionBombError)


@dataclass(frozen=True, slots=True)
class Fitted:
    """An image on its canvas: pixels (height, width, 3), of which the image covers the top left `width` x `height`."""

    pixels: Pixels
    width: int
    height: int


def fit(source: ImageSource, canvas: tuple[int, int]) -> Fitted:
    """Decode, turn, scale to fit the canvas (width, height) and fill what is left with gray."""
    picture = _decode(source, canvas)
    pixels = np.full((canvas[1], canvas[0], 3), GRAY, dtype=np.uint8)
    pixels[: picture.height, : picture.width] = np.asarray(picture)
    return Fitted(pixels, picture.width, picture.height)


def displayed_size(source: ImageSource) -> tuple[int, int]:
    """Width and height as displayed, from the header alone where the source is a file."""
    try:
        with Image.open(_stream(source)) as image:
            sideways = _orientation(image) in _SIDEWAYS
            return (image.height, image.width) if sideways else (image.width, image.height)
    except _DAMAGED as error:
        raise UnreadableImage(_reason(error)) from error


def _decode(source: ImageSource, canvas: tuple[int, int]) -> Image.Image:
    try:
        with Image.open(_stream(source)) as image:
            if image.width * image.height > MAX_PIXELS:
                raise UnreadableImage(
                    f"{image.width} x {image.height} px is more than {MAX_PIXELS // 10**6} megapixels"
                )
            orientation = _orientation(image)
            sideways = orientation in _SIDEWAYS
            size = _fitted_size(image.size, (canvas[1], canvas[0]) if sideways else canvas)
            image.draft("RGB", size)
            small = _rgb(image).resize(size, Image.Resampling.BILINEAR, reducing_gap=2.0)
            small.info.pop("exif", None)  # Pillow would write it anew, and fail where a part of it is damaged
            small.getexif()[_ORIENTATION_TAG] = orientation
            return ImageOps.exif_transpose(small)
    except _DAMAGED as error:
        raise UnreadableImage(_reason(error)) from error


def _orientation(image: Image.Image) -> int:
    """1 to 8, as EXIF tells it; what is damaged tells nothing, as in a browser."""
    try:
        told = image.getexif().get(_ORIENTATION_TAG)
    except _DAMAGED:
        return 1
    return told if isinstance(told, int) and 1 <= told <= 8 else 1


def _stream(source: ImageSource) -> io.BytesIO:
    data = source() if callable(source) else source.read_bytes()
    if not data:
        raise UnreadableImage("the file is empty")
    return io.BytesIO(data)


def _fitted_size(size: tuple[int, int], canvas: tuple[int, int]) -> tuple[int, int]:
    scale = min(canvas[0] / size[0], canvas[1] / size[1])
    return max(1, min(canvas[0], round(size[0] * scale))), max(1, min(canvas[1], round(size[1] * scale)))


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I;16") or image.mode == "I":
        # Pillow clips 16-bit gray to white where a browser shows its high byte.
        return Image.fromarray((np.asarray(image).astype(np.int64) >> 8).clip(0, 255).astype(np.uint8)).convert("RGB")
    return image.convert("RGB")


def _reason(error: Exception) -> str:
    return str(error) or type(error).__name__
