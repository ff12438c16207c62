"""A ZIP archive as a stream: constant in memory however many files are in it (APPNOTE 6.3.10, with ZIP64)."""

from __future__ import annotations

import struct
import tempfile
import zlib
from collections.abc import Iterable, Iterator
from typing import IO

_LOCAL = struct.Struct("<IHHHHHIIIHH")
_CENTRAL = struct.Struct("<IHHHHHHIIIHHHHHII")
_DESCRIPTOR64 = struct.Struct("<IIQQ")
_END64 = struct.Struct("<IQHHIIQQQQ")
_LOCATOR64 = struct.Struct("<IIQI")
_END = struct.Struct("<IHHHHIIH")
_UTF8, _FOLLOWS, _VERSION = 0x800, 0x8, 45
_STORED, _DEFLATED = 0, 8
_DATE = (2020 - 1980) << 9 | 1 << 5 | 1  # A fixed day, so that the same labels make the same file.
_MAX16, _MAX32 = 0xFFFF, 0xFFFFFFFF
_CHUNK = 65_536
# Labels are small and many: more effort would cost more time than it saves bytes.
_LEVEL = 1

# Name and content; what comes in pieces is deflated as it comes, however long it gets.
File = tuple[str, bytes | Iterator[bytes]]


def stream(files: Iterable[File], *, stored: frozenset[str] = frozenset()) -> Iterator[bytes]:
    """The archive, in pieces. Files with a suffix in `stored` are not deflated: pictures would not get smaller.

    What the directory at the end needs waits on disk.
    """
    with tempfile.TemporaryFile() as directory:
        archive = _Archive(directory, stored)
        waiting, size = [], 0
        for file in files:
            for piece in archive.add(*file):
                waiting.append(piece)
                size += len(piece)
                if size >= _CHUNK:
                    yield b"".join(waiting)
                    waiting, size = [], 0
        yield b"".join(waiting)
        length = directory.tell()
        directory.seek(0)
        while chunk := directory.read(_CHUNK):
            yield chunk
        yield _end(archive.count, length, archive.offset)


class _Archive:
    """What is known of an archive so far."""

    def __init__(self, directory: IO[bytes], stored: frozenset[str]) -> None:
        self.directory = directory
        self.stored = stored
        self.offset = self.count = 0

    def add(self, name: str, content: bytes | Iterator[bytes]) -> Iterator[bytes]:
        pieces = self._whole(name, content) if isinstance(content, bytes) else self._streamed(name, content)
        for piece in pieces:
            self.offset += len(piece)
            yield piece
        self.count += 1

    def _whole(self, name: str, content: bytes) -> Iterator[bytes]:
        raw, offset = name.encode(), self.offset
        is_stored = name[name.rfind(".") :].lower() in self.stored
        method, data = (_STORED, content) if is_stored else (_DEFLATED, _deflated(content))
        common = (_UTF8, method, 0, _DATE, zlib.crc32(content), len(data), len(content), len(raw))
        self._list(raw, _UTF8, method, zlib.crc32(content), len(data), len(content), offset)
        yield _LOCAL.pack(0x04034B50, 20, *common, 0) + raw
        yield data

    def _streamed(self, name: str, content: Iterator[bytes]) -> Iterator[bytes]:
        """Its sizes follow it, in 64 bits: a field of the header says so."""
        raw, offset = name.encode(), self.offset
        flags = _UTF8 | _FOLLOWS
        extra = struct.pack("<HHQQ", 1, 16, 0, 0)
        common = (flags, _DEFLATED, 0, _DATE, 0, _MAX32, _MAX32, len(raw))
        yield _LOCAL.pack(0x04034B50, _VERSION, *common, len(extra)) + raw + extra
        packer, crc, size, packed = zlib.compressobj(_LEVEL, zlib.DEFLATED, -15), 0, 0, 0
        for piece in content:
            crc, size = zlib.crc32(piece, crc), size + len(piece)
            data = packer.compress(piece)
            packed += len(data)
            yield data
        data = packer.flush()
        packed += len(data)
        yield data + _DESCRIPTOR64.pack(0x08074B50, crc, packed, size)
        self._list(raw, flags, _DEFLATED, crc, packed, size, offset)

    def _list(self, raw: bytes, flags: int, method: int, crc: int, packed: int, size: int, offset: int) -> None:
        """The entry of the directory; what does not fit in 32 bits goes into its extra field, in this order."""
        large = [value for value in (size, packed, offset) if value >= _MAX32]
        extra = struct.pack(f"<HH{len(large)}Q", 1, 8 * len(large), *large) if large else b""
        short = (min(packed, _MAX32), min(size, _MAX32))
        common = (flags, method, 0, _DATE, crc, *short, len(raw), len(extra))
        place = (0, 0, 0, 0o644 << 16, min(offset, _MAX32))
        entry = _CENTRAL.pack(0x02014B50, 3 << 8 | _VERSION, _VERSION, *common, *place)
        self.directory.write(entry + raw + extra)


def _deflated(content: bytes) -> bytes:
    packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, -15)
    return packer.compress(content) + packer.flush()


def _end(count: int, length: int, offset: int) -> bytes:
    large = b""
    if count >= _MAX16 or offset >= _MAX32 or length >= _MAX32:
        large = _END64.pack(0x06064B50, 44, _VERSION, _VERSION, 0, 0, count, count, length, offset)
        large += _LOCATOR64.pack(0x07064B50, 0, offset + length, 1)
    some, size, place = min(count, _MAX16), min(length, _MAX32), min(offset, _MAX32)
    return large + _END.pack(0x06054B50, 0, 0, some, some, size, place, 0)
