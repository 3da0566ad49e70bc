"""All 2^32 floats through fp8 with given scales, as one number for each type and scale: two machines, or a
CPU and a GPU, write the same bytes if they print the same lines. From the folder of the tests:

    python -m quantised.every_float          the host backend, some minutes on two cores
    python -m quantised.every_float cuda     our kernel, under a minute; torch holds the memory

``--every N`` takes every Nth of them alone.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any

import numpy as np

import baracuda_ffi as bf
from support.quantised.scales import SCALES

TYPES = (bf.ElementKind.FP8_E4M3, bf.ElementKind.FP8_E5M2)
ROWS, WIDTH = 4096, 512
PIECE = ROWS * WIDTH  # floats of key, and as many of value after them
WORDS = PIECE // 8

# An odd factor for each word of 64 bits, so that no byte can change, or change places, without the sum.
FACTORS = (np.arange(1, WORDS + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)) | np.uint64(1)


class Host:
    """Memory of NumPy's."""

    stream = None

    def __init__(self) -> None:
        self.slots = np.arange(ROWS, dtype=np.int32)
        self.caches = [np.zeros((ROWS, 1, 1, WIDTH), np.uint8) for _ in "kv"]
        self._counted = np.arange(PIECE, dtype=np.uint32)
        self._rows = [np.empty(PIECE, np.uint32) for _ in "kv"]
        self._products = np.empty(WORDS, np.uint64)

    def scale(self, value: float) -> Any:
        return np.array([value], np.float32)

    def rows(self, at: int, every: int) -> list[Any]:
        for number, rows in enumerate(self._rows):
            np.add(self._counted, np.uint32(at + number * PIECE), out=rows)
            np.multiply(rows, np.uint32(every), out=rows)
        return [rows.view(np.float32).reshape(ROWS, 1, WIDTH) for rows in self._rows]

    def sums(self) -> list[int]:
        found = []
        for cache in self.caches:
            np.multiply(cache.reshape(-1).view(np.uint64), FACTORS, out=self._products)
            found.append(int(self._products.sum(dtype=np.uint64)))
        return found


class Cuda:
    """Memory of torch's, of which the sums are taken there, once a type and scale."""

    def __init__(self) -> None:
        import torch

        self._torch, on = torch, {"device": "cuda"}
        self.stream = torch.cuda.current_stream()
        self.slots = torch.arange(ROWS, dtype=torch.int32, **on)
        self.caches = [torch.zeros((ROWS, 1, 1, WIDTH), dtype=torch.uint8, **on) for _ in "kv"]
        self._counted = torch.arange(PIECE, dtype=torch.int32, **on)
        self._factors = torch.from_numpy(FACTORS.view(np.int64)).to("cuda")

    def scale(self, value: float) -> Any:
        return self._torch.tensor([value], dtype=self._torch.float32, device="cuda")

    def rows(self, at: int, every: int) -> list[Any]:
        counted = [
            self._counted + int(start) for start in np.array([at, at + PIECE], np.uint32).view(np.int32)
        ]
        return [(each * every).view(self._torch.float32).view(ROWS, 1, WIDTH) for each in counted]

    def sums(self) -> list[Any]:
        return [(cache.view(self._torch.int64).view(-1) * self._factors).sum() for cache in self.caches]


def starts(every: int) -> range:
    """Where each piece begins, of as many floats as there are of those."""
    return range(0, (1 << 32) // every // (2 * PIECE) * 2 * PIECE, 2 * PIECE)


def numbers(device: str, every: int = 1) -> Iterator[str]:
    """A line for each type and scale."""
    memory = Host() if device == "host" else Cuda()
    for element in TYPES:
        for value in SCALES:
            scale = memory.scale(value)
            sums: list[Any] = []
            for at in starts(every):
                key, rows_of_value = memory.rows(at, every)
                bf.append_paged_kv(
                    key,
                    rows_of_value,
                    *memory.caches,
                    slot_mapping=memory.slots,
                    k_scale=scale,
                    v_scale=scale,
                    element=element,
                    stream=memory.stream,
                )
                sums += memory.sums()
            folded = 0
            for each in sums:
                folded = (folded * 0x100000001B3 + int(each)) % (1 << 64)
            yield f"{element.name} by {value}: {2 * PIECE * len(starts(every))} floats, {folded:016x}"


def main() -> None:
    parser = argparse.ArgumentParser(description="All floats to fp8, as numbers to be compared.")
    parser.add_argument("device", nargs="?", choices=["host", "cuda"], default="host")
    parser.add_argument("--every", type=int, default=1, help="take every such one alone")
    given = parser.parse_args()
    for line in numbers(given.device, given.every):
        print(line, flush=True)


if __name__ == "__main__":
    main()
