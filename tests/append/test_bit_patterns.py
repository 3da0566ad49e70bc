"""A copy keeps bits: NaN payloads, signalling NaNs, infinities, denormals and negative zero."""

from __future__ import annotations

import numpy as np
import pytest

import baracuda_ffi as bf
from support.calls.operands import CACHES, make_args, select
from support.devices.backends import Backend
from support.devices.bits import Array, assert_same_bits
from support.problems.cases import Case
from support.problems.elements import BF16, ELEMENTS, F16, F32, FP8_E4M3, FP8_E5M2, Element
from support.problems.problem import Problem, expected_caches

# float32: quiet and signalling NaNs of both signs with payloads, infinities, denormals, zeros.
F32_BITS = [
    0x7FC00000, 0xFFC00000, 0x7FC0BEEF, 0xFFFFFFFF, 0x7FFFFFFF, 0x7F800001,
    0xFF800001, 0x7FA5A5A5, 0xFFBFFFFF, 0x7F800000, 0xFF800000, 0x00000001,
    0x80000001, 0x007FFFFF, 0x807FFFFF, 0x00800000, 0x00000000, 0x80000000,
    0x7F7FFFFF, 0xFF7FFFFF, 0x3F800000, 0x33800000, 0x12345678, 0x89ABCDEF,
]  # fmt: skip


def patterns(element: Element) -> Array:
    """Every pattern of an 8 or 16 bit type; of float32 those above and a spread over all exponents."""
    if element is F32:
        spread = np.arange(0, 2**32, 2**32 // 65521, dtype=np.uint64).astype(np.uint32)
        return np.concatenate([np.array(F32_BITS, np.uint32), spread])
    bits = 8 * element.itemsize
    return np.arange(2**bits, dtype=f"u{element.itemsize}")


@pytest.mark.parametrize("element", ELEMENTS, ids=lambda element: element.symbol)
def test_every_pattern_survives(backend: Backend, element: Element) -> None:
    """As many requests as the patterns fill, one token each, the values in another order than the keys."""
    bits = patterns(element)
    heads, head_dim = 2, 64
    batch = -(-len(bits) // (heads * head_dim))
    case = Case(element, "NHD", "BEFORE_APPEND", 2, batch, heads, head_dim)
    problem = Problem(case)
    shown = np.resize(bits, case.row_shape)
    problem.arrays["key"][...] = shown.view(element.dtype)
    problem.arrays["value"][...] = np.ascontiguousarray(shown[::-1, ::-1, ::-1]).view(element.dtype)
    operands = {name: backend.put(array) for name, array in problem.arrays.items()}
    expected = expected_caches(case, problem.arrays)
    select(backend, case.descriptor(problem.num_pages)).run(
        backend.stream, bf.Workspace.NONE, make_args(operands)
    )
    for name in CACHES:
        found = backend.get(operands[name])
        assert_same_bits(found, expected[name], name)
        assert set(np.unique(found.view(bits.dtype))) >= set(np.unique(bits))


@pytest.mark.parametrize("element", ELEMENTS, ids=lambda element: element.symbol)
def test_the_patterns_are_what_they_are_meant_to_be(element: Element) -> None:
    with np.errstate(invalid="ignore"):  # an Arm processor flags NaNs that signal
        values = patterns(element).view(element.dtype).astype(np.float32)
    assert np.isnan(values).any()
    assert np.isinf(values).any() == (element is not FP8_E4M3)
    if element is not F32:
        assert len(values) == 2 ** (8 * element.itemsize)
    assert {F16, BF16, FP8_E4M3, FP8_E5M2, F32} == set(ELEMENTS)
