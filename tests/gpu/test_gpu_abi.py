"""The C ABI over device memory: the mirrored symbols of all five types, and the general struct."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from support.c_abi import abi
from support.calls.operands import CACHES, NAMES, check_caches, check_inputs_unchanged, put_caches, put_step
from support.problems.cases import Case
from support.problems.conversation import Conversation
from support.problems.elements import ELEMENTS, HEAD_DIMS, Element

pytestmark = pytest.mark.gpu

ORDER = ("k_data", "v_data", "indices", "indptr", "last_page_len", "key", "value")


@pytest.mark.parametrize(("element", "head_dim"), list(itertools.product(ELEMENTS, HEAD_DIMS)))
def test_mirrored_run(cuda_backend: Any, element: Element, head_dim: int) -> None:
    """baracuda-kernels' contract, BEFORE_APPEND, through its symbols."""
    case = Case(element, "HND", "BEFORE_APPEND", 3, 5, 2, head_dim)
    talk = Conversation(case, rounds=4)
    caches = put_caches(cuda_backend, talk)
    run = abi.mirrored("flashinfer", element.symbol, "run")
    for step in talk.steps():
        operands = put_step(cuda_backend, step) | caches
        pointers = [operands[name].ptr for name in ORDER]
        extents = (case.batch_size, case.page_size, case.num_heads, case.head_dim)
        assert run(*extents, *pointers, int(cuda_backend.stream)) == abi.OK, abi.message()
        check_caches(cuda_backend, operands, talk)
        check_inputs_unchanged(cuda_backend, operands, step)
    cuda_backend.check_guards()


@pytest.mark.parametrize("layout", ["HND", "NHD"])
@pytest.mark.parametrize("convention", ["BEFORE_APPEND", "AFTER_APPEND"])
@pytest.mark.parametrize("element", ELEMENTS, ids=lambda element: element.symbol)
def test_general_run(cuda_backend: Any, element: Element, convention: str, layout: str) -> None:
    case = Case(element, layout, convention, 4, 6, 3, 64)
    talk = Conversation(case, rounds=5)
    caches = put_caches(cuda_backend, talk)
    for step in talk.steps():
        operands = put_step(cuda_backend, step) | caches
        arrays = vars(step) | {name: getattr(talk, name) for name in CACHES}
        op = abi.make_append(case, arrays, backend=abi.FLASHINFER)
        for name in NAMES:
            setattr(op, name, operands[name].ptr)
        op.stream = int(cuda_backend.stream)
        assert abi.can_implement(op) == abi.OK, abi.message()
        assert abi.run(op) == abi.OK, abi.message()
        check_caches(cuda_backend, operands, talk)
        check_inputs_unchanged(cuda_backend, operands, step)
    cuda_backend.check_guards()
