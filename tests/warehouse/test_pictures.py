"""Pictures: what they are by their header, upright, and why some are refused."""

import io
import struct
import zlib

import pytest
from PIL import Image

from apps.warehouse import pictures
from apps.warehouse.pictures import BadPicture
from tests.warehouse.factory import make_picture


def png_bomb(width: int, height: int) -> bytes:
    """A PNG whose header promises far more pixels than it has."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "BMP", "WEBP", "TIFF"])
def test_every_kind_is_read_by_its_header(kind: str) -> None:
    header = pictures.probe(io.BytesIO(make_picture(64, 48, kind)))
    assert (header.width, header.height) == (64, 48)
    assert header.extension == {"JPEG": "jpg", "PNG": "png", "BMP": "bmp", "WEBP": "webp", "TIFF": "tif"}[kind]
    assert header.needs_rendition == (kind == "TIFF")


@pytest.mark.parametrize("kind", ["JPEG", "WEBP"])
@pytest.mark.parametrize("damage", ["a part", "all"])
def test_damaged_exif_is_no_reason_to_refuse_a_picture(kind: str, damage: str) -> None:
    exif, out = Image.Exif(), io.BytesIO()
    exif[0x0112], exif[0x010E] = 6, "A street"
    told = exif.tobytes()
    # A width told as text, which nothing can write again; or nothing that can be read.
    broken = told.replace(b"\x01\x0e", b"\x01\x00") if damage == "a part" else told[:8] + b"\xff" * 40
    Image.new("RGB", (64, 48), "red").save(out, kind, exif=broken)
    header = pictures.probe(out)
    shown = (48, 64) if damage == "a part" else (64, 48)
    assert (header.width, header.height) == shown
    for made in (pictures.shrink(out), pictures.upright(out)):
        assert Image.open(io.BytesIO(made)).size == shown


@pytest.mark.parametrize("orientation", range(1, 9))
def test_size_and_thumbnail_are_as_displayed(orientation: int) -> None:
    data = make_picture(64, 48, orientation=orientation)
    header = pictures.probe(io.BytesIO(data))
    assert (header.width, header.height) == ((48, 64) if orientation >= 5 else (64, 48))
    small = Image.open(io.BytesIO(pictures.shrink(io.BytesIO(data))))
    assert small.size == (header.width, header.height)
    assert small.getexif().get(0x0112, 1) == 1
    reds = {1: (8, 24), 2: (56, 24), 3: (56, 24), 4: (8, 24), 5: (24, 8), 6: (24, 8), 7: (24, 56), 8: (24, 56)}
    red, _, blue = small.convert("RGB").getpixel(reds[orientation])
    assert red > 150 and blue < 100


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b"hello, I am a text file", "Not a picture"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "Not a picture"),
        (make_picture(400, 300)[:900], "damaged"),
        (make_picture(400, 300, "PNG")[:200], "damaged"),
        (make_picture(8, 8, "GIF"), "Not a picture"),
        (png_bomb(30_000, 20_000), "megapixels"),
        (png_bomb(16_000, 15_000), "megapixels"),
    ],
    ids=["empty", "text", "svg", "truncated-jpeg", "truncated-png", "gif", "bomb", "just-over"],
)
def test_what_is_no_picture_is_refused_with_a_reason(data: bytes, reason: str) -> None:
    with pytest.raises(BadPicture, match=reason):
        pictures.probe(io.BytesIO(data))
        pictures.shrink(io.BytesIO(data))


def test_a_large_picture_gets_a_small_thumbnail() -> None:
    small = Image.open(io.BytesIO(pictures.shrink(io.BytesIO(make_picture(2000, 1000)))))
    assert small.size == (pictures.THUMBNAIL_SIDE, pictures.THUMBNAIL_SIDE // 2)


def test_transparency_is_shown_on_white() -> None:
    out = io.BytesIO()
    Image.new("RGBA", (10, 10), (0, 0, 0, 0)).save(out, "PNG")
    small = Image.open(io.BytesIO(pictures.shrink(out)))
    assert small.convert("RGB").getpixel((5, 5)) == (255, 255, 255)


def test_wide_gray_of_a_tiff_is_stretched_so_that_it_can_be_seen() -> None:
    out = io.BytesIO()
    image = Image.new("I;16", (10, 10), 100)
    image.putpixel((0, 0), 300)
    image.save(out, "TIFF")
    shown = Image.open(io.BytesIO(pictures.render(out))).convert("L")
    assert shown.getpixel((0, 0)) > 150 > 60 > shown.getpixel((8, 8))


@pytest.mark.parametrize("compression", ["raw", "tiff_lzw", "tiff_deflate", "packbits"])
def test_a_sideways_tiff_of_any_compression_is_turned(compression: str) -> None:
    exif, out = Image.Exif(), io.BytesIO()
    exif[0x0112] = 6
    Image.new("RGB", (64, 48), "red").save(out, "TIFF", exif=exif, compression=compression)
    out.seek(0)
    turned = Image.open(io.BytesIO(pictures.upright(out)))
    assert turned.size == (48, 64) and turned.getpixel((5, 5)) == (255, 0, 0)
