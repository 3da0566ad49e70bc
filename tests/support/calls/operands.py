"""The seven operands of an append by name, in the order of the C header."""

from __future__ import annotations

from typing import Any

import baracuda_ffi as bf

from ..devices.backends import Backend
from ..devices.bits import assert_same_bits
from ..problems.conversation import Conversation, Step

NAMES = ("key", "value", "k_data", "v_data", "indices", "indptr", "last_page_len")
INPUTS = ("key", "value", "indices", "indptr", "last_page_len")
CACHES = ("k_data", "v_data")
TABLE = ("indices", "indptr", "last_page_len")


def put_step(backend: Backend, step: Step) -> dict[str, Any]:
    return {name: backend.put(getattr(step, name)) for name in INPUTS}


def put_caches(backend: Backend, talk: Conversation) -> dict[str, Any]:
    return {name: backend.put(getattr(talk, name)) for name in CACHES}


def make_args(operands: dict[str, Any]) -> bf.PagedKvAppendArgs:
    return bf.PagedKvAppendArgs(**{name: operands[name] for name in NAMES})


def check_inputs_unchanged(backend: Backend, operands: dict[str, Any], step: Step) -> None:
    for name in INPUTS:
        assert_same_bits(backend.get(operands[name]), getattr(step, name), name)


def check_caches(backend: Backend, operands: dict[str, Any], talk: Conversation) -> None:
    """Every byte of both caches, against the oracle's."""
    for name in CACHES:
        assert_same_bits(backend.get(operands[name]), getattr(talk, name), name)


def select(backend: Backend, descriptor: bf.PagedKvAppendDescriptor) -> bf.PagedKvAppendPlan:
    return bf.PagedKvAppendPlan.select(backend.stream, descriptor, bf.PlanPreference())
