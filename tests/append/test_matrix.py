"""Conversations over the whole support matrix, on both backends, the whole cache compared bit for bit."""

from __future__ import annotations

import pytest

import baracuda_ffi as bf
from support.calls.operands import (
    check_caches,
    check_inputs_unchanged,
    make_args,
    put_caches,
    put_step,
    select,
)
from support.devices.backends import Backend, HostBackend
from support.problems.cases import HOST_ONLY, MATRIX, Case
from support.problems.conversation import Conversation


def converse(backend: Backend, case: Case) -> None:
    talk = Conversation(case)
    caches = put_caches(backend, talk)
    plan = select(backend, talk.descriptor)
    assert plan.sku().backend is backend.kind
    for step in talk.steps():
        operands = put_step(backend, step) | caches
        plan.run(backend.stream, bf.Workspace.NONE, make_args(operands))
        check_caches(backend, operands, talk)
        check_inputs_unchanged(backend, operands, step)
    talk.check_sequences(backend.get(caches["k_data"]), backend.get(caches["v_data"]))
    backend.check_guards()


@pytest.mark.parametrize("case", MATRIX, ids=str)
def test_conversation(backend: Backend, case: Case) -> None:
    converse(backend, case)


@pytest.mark.parametrize("case", HOST_ONLY, ids=str)
def test_more_heads_than_flashinfer_launches(host_backend: HostBackend, case: Case) -> None:
    assert case.num_heads > case.element.max_heads(case.head_dim)
    converse(host_backend, case)
