"""The images of kernels in the library, as CUDA's fatbinary writes them: what code they hold, for which
GPUs.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

MAGIC = 0xBA55ED50
KINDS = {1: "ptx", 2: "elf"}
LZ4, ZSTD = 0x2000, 0x8000


@dataclass(frozen=True)
class Code:
    """``payload`` is the code, or what it is compressed to."""

    kind: str
    arch: int
    is_zstd: bool
    is_lz4: bool
    size: int
    payload: bytes

    @property
    def content(self) -> bytes:
        """Skips the test where Python cannot read it."""
        if self.is_lz4:
            return expand_lz4(self.payload, self.size)
        if self.is_zstd:
            import pytest

            zstd = pytest.importorskip("compression.zstd", reason="needs Python 3.14 to read zstd")
            return bytes(zstd.ZstdDecompressor().decompress(self.payload))
        return self.payload


def images(library: str) -> list[list[Code]]:
    """What each image of the library holds."""
    data = Path(library).read_bytes()
    found = []
    magic = struct.pack("<IH", MAGIC, 1)
    at = data.find(magic)
    while at >= 0:
        header, size = struct.unpack_from("<HQ", data, at + 6)
        found.append(list(codes(data[at + header : at + header + size])))
        at = data.find(magic, at + header + size)
    return found


def codes(entries: bytes) -> Iterator[Code]:
    at = 0
    while at < len(entries):
        kind, _, header, padded, compressed = struct.unpack_from("<HHIQI", entries, at)
        (arch,) = struct.unpack_from("<I", entries, at + 28)
        (flags,) = struct.unpack_from("<Q", entries, at + 40)
        (size,) = struct.unpack_from("<Q", entries, at + 56)
        length = compressed or padded
        payload = entries[at + header : at + header + length]
        yield Code(KINDS[kind], arch, bool(flags & ZSTD), bool(flags & LZ4), size, payload)
        at += header + padded


def expand_lz4(block: bytes, size: int) -> bytes:
    """One block of the LZ4 format."""
    out = bytearray()
    at = 0

    def length(nibble: int) -> int:
        nonlocal at
        total = nibble
        while nibble == 15:
            extra = block[at]
            at += 1
            total += extra
            if extra != 255:
                break
        return total

    while len(out) < size:
        token = block[at]
        at += 1
        literals = length(token >> 4)
        out += block[at : at + literals]
        at += literals
        if len(out) >= size:
            break
        distance = block[at] | block[at + 1] << 8
        at += 2
        for _ in range(length(token & 15) + 4):
            out.append(out[-distance])
    assert len(out) == size
    return bytes(out)
