"""Encoded pictures: what they are by their header, as large as a browser shows them, small ones, and showable ones."""

from __future__ import annotations

import contextlib
import io
import struct
import threading
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError, _imaging

PIXEL_LIMIT = 200_000_000
SHOWABLE_PIXELS = 50_000_000
# What a request decodes by itself; more takes seconds and is left to a job.
QUICK_PIXELS = 25_000_000
BAND_PIXELS = 4_000_000
THUMBNAIL_SIDE = 320
RENDITION_SIDE = 8192
EXTENSIONS = {"JPEG": "jpg", "MPO": "jpg", "PNG": "png", "BMP": "bmp", "WEBP": "webp", "TIFF": "tif"}
MEDIA_TYPES = {"jpg": "image/jpeg", "png": "image/png", "bmp": "image/bmp", "webp": "image/webp", "tif": "image/tiff"}
_READ = ["JPEG", "PNG", "BMP", "WEBP", "TIFF"]  # Pillow makes an MPO of a JPEG by itself.
_SHOWABLE = frozenset({"JPEG", "MPO", "PNG", "BMP", "WEBP"})
_LOSSY = frozenset({"JPEG", "WEBP"})
_ORIENTATION = 0x0112
_SIDEWAYS = frozenset({5, 6, 7, 8})
_UNREADABLE = (OSError, SyntaxError, ValueError, TypeError, EOFError, OverflowError, MemoryError, struct.error)

# Beyond glibc's largest threshold (32 MB) a block is mapped and given back when freed; smaller ones stay with the
# thread that freed them, and several threads' leftovers add up to several pictures.
_imaging.set_block_size(64 * 1024 * 1024)

# Pillow refuses by itself above twice its limit; between the limit and that we refuse, by the header.
Image.MAX_IMAGE_PIXELS = PIXEL_LIMIT
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)


class BadPicture(ValueError):
    """A file that does not come in as a picture; the message is the reason."""


class Room:
    """How many pixels this process decodes at the same time: more threads than fit in wait."""

    def __init__(self, pixels: int) -> None:
        self.left = pixels
        self._changed = threading.Condition()

    @contextlib.contextmanager
    def taken(self, pixels: int) -> Iterator[None]:
        with self._changed:
            self._changed.wait_for(lambda: self.left >= pixels)
            self.left -= pixels
        try:
            yield
        finally:
            with self._changed:
                self.left += pixels
                self._changed.notify_all()


# One picture of the largest size, or as many smaller ones: 1 to 2 GB at the worst.
_room = Room(PIXEL_LIMIT)


@dataclass(frozen=True, slots=True)
class Header:
    """What the header says: width and height upright, how it is turned, and whether every browser turns it so."""

    width: int
    height: int
    format: str
    orientation: int
    turned_by_all: bool = True

    @property
    def extension(self) -> str:
        return EXTENSIONS[self.format]

    @property
    def is_sideways(self) -> bool:
        return self.orientation in _SIDEWAYS

    @property
    def pixels(self) -> int:
        return self.width * self.height

    @property
    def needs_rendition(self) -> bool:
        """Whether browsers cannot show it, or should not have to."""
        return (
            self.format not in _SHOWABLE
            or self.pixels > SHOWABLE_PIXELS
            or (self.orientation != 1 and not self.turned_by_all)
        )


def probe(file: BinaryIO) -> Header:
    """Read the header alone; raises BadPicture."""
    with _opened(file) as image:
        orientation = _orientation(image)
        width, height = image.size
        if orientation in _SIDEWAYS:
            width, height = height, width
        return Header(width, height, str(image.format), orientation, _is_turned_by_all(image, orientation))


def _is_turned_by_all(image: Image.Image, orientation: int) -> bool:
    """Browsers agree about the EXIF of a JPEG alone, not of other files, nor about XMP, which Pillow reads."""
    bare = Image.new("L", (1, 1))
    bare.info["exif"] = image.info.get("exif", b"")
    return image.format in {"JPEG", "MPO"} and _orientation(bare) == orientation


def _orientation(image: Image.Image) -> int:
    """1 to 8, as EXIF tells it; what is damaged tells nothing, as in a browser."""
    try:
        told = image.getexif().get(_ORIENTATION)
    except _UNREADABLE:
        return 1
    return told if isinstance(told, int) and 1 <= told <= 8 else 1


def _turned(image: Image.Image, orientation: int) -> Image.Image:
    image.info.pop("exif", None)  # Pillow would write it anew, and fail where a part of it is damaged
    image.getexif()[_ORIENTATION] = orientation
    return ImageOps.exif_transpose(image)


@contextlib.contextmanager
def _opened(file: BinaryIO) -> Iterator[Image.Image]:
    if not file.seek(0, io.SEEK_END):
        raise BadPicture("The file is empty.")
    file.seek(0)
    try:
        image = Image.open(file, formats=_READ)
    except UnidentifiedImageError as error:
        raise BadPicture("Not a picture Winnow can read: JPEG, PNG, BMP, WebP or TIFF.") from error
    except Image.DecompressionBombError as error:
        raise BadPicture(f"More than {PIXEL_LIMIT // 10**6} megapixels.") from error
    except _UNREADABLE as error:
        raise BadPicture(f"The picture is damaged: {error}.") from error
    with image:
        if image.width * image.height > PIXEL_LIMIT:
            size = f"{image.width} x {image.height} px"
            raise BadPicture(f"{size} is more than {PIXEL_LIMIT // 10**6} megapixels.")
        try:
            yield image
        except _UNREADABLE as error:
            raise BadPicture(f"The picture is damaged: {error}.") from error


def may_be_shown(path: str) -> bool:
    """Whether browsers show files of this name, before anybody has looked inside."""
    return not path.lower().endswith((".tif", ".tiff"))


def shrink(file: BinaryIO, side: int = THUMBNAIL_SIDE, quality: int = 82) -> bytes:
    """A JPEG of at most `side` pixels a side, upright. Decodes everything, so a truncated file is found: BadPicture."""
    with _opened(file) as image, _room.taken(image.width * image.height):
        orientation = _orientation(image)
        image.draft("RGB", (side, side))
        small = _plain(image, side)
        small.thumbnail((side, side), Image.Resampling.BILINEAR, reducing_gap=2.0)
        out = io.BytesIO()
        _turned(small, orientation).convert("RGB").save(out, "JPEG", quality=quality)
        return out.getvalue()


def render(file: BinaryIO) -> bytes:
    """The JPEG shown in place of what browsers cannot show."""
    return shrink(file, RENDITION_SIDE, quality=90)


def upright(file: BinaryIO) -> bytes:
    """The picture as it is displayed even by who knows nothing of EXIF: its own bytes, unless it has to be turned."""
    with _opened(file) as image:
        orientation = _orientation(image)
        if orientation == 1:
            file.seek(0)
            return file.read()
        out, kind = io.BytesIO(), "JPEG" if image.format == "MPO" else image.format
        with _room.taken(image.width * image.height):
            turned = _turned(image, orientation)
            lossy = {"quality": 95} if kind in _LOSSY else {}
            turned.save(out, kind, icc_profile=image.info.get("icc_profile"), **lossy)
        return out.getvalue()


def _plain(image: Image.Image, side: int) -> Image.Image:
    """The picture in RGB or 8 bits of gray, made smaller on the way by whole factors as long as `side` allows."""
    image.load()
    factor = max(1, max(image.size) // (2 * side))
    if image.mode.startswith("I") or image.mode == "F":
        return Image.fromarray(_gray(image, factor))
    if factor == 1 and image.mode in ("RGB", "L") and not image.has_transparency_data:
        return image
    wide, high = -(-image.width // factor), -(-image.height // factor)
    small = Image.new("RGB", (wide, high))
    # In bands: beside the picture itself nothing of its size is held in memory.
    rows = max(1, BAND_PIXELS // image.width // factor) * factor
    for top in range(0, image.height, rows):
        band = _opaque(image.crop((0, top, image.width, min(top + rows, image.height))))
        small.paste(band.reduce(factor) if factor > 1 else band, (0, top // factor))
    return small


def _opaque(image: Image.Image) -> Image.Image:
    """In RGB, what is transparent on white."""
    if not image.has_transparency_data:
        return image.convert("RGB")
    ground = Image.new("RGBA", image.size, (255, 255, 255, 255))
    ground.alpha_composite(image.convert("RGBA"))
    return ground.convert("RGB")


def _gray(image: Image.Image, factor: int) -> npt.NDArray[np.uint8]:
    """Gray wider than 8 bits, every `factor`-th pixel of (height, width); Pillow would clip it to white.

    Browsers show the high byte of a PNG. What they cannot show is stretched to its own range, so that it can be seen.
    """
    wide = np.asarray(image)
    low, high = (0.0, 65536.0) if image.format == "PNG" else (float(np.nanmin(wide)), float(np.nanmax(wide)))
    shown = wide[::factor, ::factor].astype(np.float32)
    stretched = np.nan_to_num((shown - low) * (256 if image.format == "PNG" else 255) / max(high - low, 1e-9))
    return np.asarray(stretched.clip(0, 255), dtype=np.uint8)
