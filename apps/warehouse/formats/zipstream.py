"""A ZIP archive as a stream: constant in memory however many files are in it (APPNOTE 6.3.10, with ZIP64)."""

from __future__ import annotations

import struct
import tempfile
import zlib
from collections.abc import Iterable, Iterator

_LOCAL = struct.Struct("<IHHHHHIIIHH")
_CENTRAL = struct.Struct("<IHHHHHHIIIHHHHHII")
_EXTRA64 = struct.Struct("<HHQ")
_END64 = struct.Struct("<IQHHIIQQQQ")
_LOCATOR64 = struct.Struct("<IIQI")
_END = struct.Struct("<IHHHHIIH")
_UTF8, _DEFLATED, _VERSION = 0x800, 8, 45
_DATE = (2020 - 1980) << 9 | 1 << 5 | 1  # A fixed day, so that the same labels make the same file.
_MAX32 = 0xFFFFFFFF
_CHUNK = 65_536


def stream(files: Iterable[tuple[str, bytes]]) -> Iterator[bytes]:
    """The archive of (name, content) pairs, in pieces. What the directory at its end needs waits on disk."""
    waiting, size, offset, count = [], 0, 0, 0
    with tempfile.TemporaryFile() as directory:
        for name, content in files:
            head, data, entry = _entry(name, content, offset)
            directory.write(entry)
            waiting += [head, data]
            size += len(head) + len(data)
            offset += len(head) + len(data)
            count += 1
            if size >= _CHUNK:
                yield b"".join(waiting)
                waiting, size = [], 0
        yield b"".join(waiting)
        length = directory.tell()
        directory.seek(0)
        while chunk := directory.read(_CHUNK):
            yield chunk
    yield _end(count, length, offset)


def _entry(name: str, content: bytes, offset: int) -> tuple[bytes, bytes, bytes]:
    """Local header, data, and entry of the directory."""
    raw, crc = name.encode(), zlib.crc32(content)
    packer = zlib.compressobj(6, zlib.DEFLATED, -15)
    data = packer.compress(content) + packer.flush()
    common = (_UTF8, _DEFLATED, 0, _DATE, crc, len(data), len(content), len(raw))
    extra = _EXTRA64.pack(1, 8, offset) if offset >= _MAX32 else b""
    head = _LOCAL.pack(0x04034B50, 20, *common, 0) + raw
    place = (0, 0, 0, 0o644 << 16, min(offset, _MAX32))
    entry = _CENTRAL.pack(0x02014B50, 3 << 8 | _VERSION, _VERSION, *common, len(extra), *place) + raw + extra
    return head, data, entry


def _end(count: int, length: int, offset: int) -> bytes:
    large = b""
    if count >= 0xFFFF or offset >= _MAX32 or length >= _MAX32:
        large = _END64.pack(0x06064B50, 44, _VERSION, _VERSION, 0, 0, count, count, length, offset)
        large += _LOCATOR64.pack(0x07064B50, 0, offset + length, 1)
    some, size, place = min(count, 0xFFFF), min(length, _MAX32), min(offset, _MAX32)
    return large + _END.pack(0x06054B50, 0, 0, some, some, size, place, 0)
