"""The command that takes all floats, over a part of them: it sees each byte, and a CPU and a GPU agree."""

from __future__ import annotations

import numpy as np
import pytest
from quantised import every_float

import baracuda_ffi as bf
from baracuda_ffi._reference import formats
from support.quantised.scales import SCALES

EVERY = 251  # so that the lowest bits differ


def test_the_numbers_are_those_of_the_rule() -> None:
    lines = list(every_float.numbers("host", EVERY))
    assert len(lines) == len(set(lines)) == 2 * len(SCALES)
    folded = 0
    for at in every_float.starts(EVERY):
        for begin in (at, at + every_float.PIECE):
            counted = np.arange(begin, begin + every_float.PIECE, dtype=np.uint32)
            floats = (counted * np.uint32(EVERY)).view(np.float32)
            with np.errstate(all="ignore"):
                codes = formats.to_fp8(floats / np.float32(0.037), bf.ElementKind.FP8_E4M3)
            total = int((codes.view(np.uint64) * every_float.FACTORS).sum(dtype=np.uint64))
            folded = (folded * 0x100000001B3 + total) % (1 << 64)
    assert (
        f"FP8_E4M3 by 0.037: {2 * every_float.PIECE * len(every_float.starts(EVERY))} floats, {folded:016x}"
        in lines
    )


@pytest.mark.gpu
def test_a_gpu_writes_what_the_host_does() -> None:
    pytest.importorskip("torch")
    assert list(every_float.numbers("cuda", EVERY)) == list(every_float.numbers("host", EVERY))
