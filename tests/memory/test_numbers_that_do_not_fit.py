"""Interfaces whose numbers do not fit: refused by name, and not taken modulo 2^64."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

import baracuda_ffi as bf
from support.calls.exporters import LegacyExporter, VersionedExporter
from support.calls.operands import INPUTS, NAMES, make_args, select
from support.devices.backends import HostBackend
from support.problems.problem import SMALL, Problem, assert_unchanged

HUGE = 2**63


class Interface:
    """``__cuda_array_interface__`` of an array, with changes."""

    def __init__(self, array: Any, **changes: Any) -> None:
        self.array = array
        self.__cuda_array_interface__ = {
            "shape": array.shape,
            "typestr": array.dtype.str,
            "data": (array.ctypes.data, False),
            "strides": None,
            "version": 3,
        } | changes


class Tampered(np.ndarray):
    """An array that NumPy does not export by DLPack, and whose own interface is changed."""

    changes: dict[str, Any]

    @property
    def __array_interface__(self) -> dict[str, Any]:
        array = self.view(np.ndarray)
        return array.__array_interface__ | self.changes


def as_interface(array: Any, **changes: Any) -> Any:
    return Interface(array, **changes)


def as_subclass(array: Any, **changes: Any) -> Any:
    read_only = array.view(Tampered)
    read_only.flags.writeable = False
    read_only.changes = changes
    return read_only


# typestr: bits that are those of float16 modulo 256, no size, sizes that int() takes and nobody writes.
TYPES = ["<f34", "<f0", "<f-2", "<f+2", "<f 2", "<f2_0", "<f", "f2", "", "<f" + "9" * 40, "<f²"]

NUMBERS: dict[str, dict[str, Any]] = {
    "an extent of 2^63": {"shape": (HUGE, 2, 64)},
    "an extent of 2^64 + 3": {"shape": (2**64 + 3, 2, 64)},
    "a negative extent": {"shape": (-3, 2, 64)},
    "an extent that is no integer": {"shape": (3.0, 2, 64)},
    "extents that are no tuple": {"shape": iter((3, 2, 64))},
    "a stride of 2^63": {"strides": (HUGE, 128, 2)},
    "a stride of 2^64 + 256": {"strides": (2**64 + 256, 128, 2)},
    "a stride below -2^63": {"strides": (-HUGE - 2, 128, 2)},
    "too few strides": {"strides": (128, 2)},
    "too many strides": {"strides": (256, 128, 2, 2)},
    "strides that are no tuple": {"strides": iter((256, 128, 2))},
}


@pytest.mark.parametrize("interface", [as_interface, as_subclass])
@pytest.mark.parametrize("what", NUMBERS)
def test_shapes_and_strides(what: str, interface: Any) -> None:
    problem = Problem()
    changes = NUMBERS[what]
    (said,) = changes
    plan = select(HostBackend(), SMALL.descriptor(problem.num_pages))
    args = make_args(problem.arrays | {"key": interface(problem.arrays["key"], **changes)})
    with pytest.raises(bf.InvalidProblem, match=f"key's {said}") as refused:
        plan.run(None, bf.Workspace.NONE, args)
    assert refused.value.__cause__ is None  # ours, not somebody else's that was wrapped


@pytest.mark.parametrize("pointer", [2**64, 2**64 + 4096, -16, 4096.0, "4096"])
@pytest.mark.parametrize("interface", [as_interface, as_subclass])
@pytest.mark.parametrize("name", ["key", "indices"])
def test_addresses(name: str, interface: Any, pointer: Any) -> None:
    problem = Problem()
    plan = select(HostBackend(), SMALL.descriptor(problem.num_pages))
    operand = interface(problem.arrays[name], data=(pointer, False))
    with pytest.raises(bf.InvalidProblem, match=f"{name}'s data.*address"):
        plan.can_implement(make_args(problem.arrays | {name: operand}))


@pytest.mark.parametrize("typestr", TYPES)
@pytest.mark.parametrize(
    ("name", "interface"),
    # A cache that is read-only is refused for that.
    [*itertools.product(NAMES, [as_interface]), *itertools.product(INPUTS, [as_subclass])],
)
def test_types(name: str, interface: Any, typestr: str) -> None:
    problem = Problem()
    before = problem.snapshot()
    operand = interface(problem.arrays[name], typestr=typestr)
    for call in (
        lambda: bf.append_paged_kv(**problem.arrays | {name: operand}, stream=None),
        lambda: select(HostBackend(), SMALL.descriptor(problem.num_pages)).can_implement(
            make_args(problem.arrays | {name: operand})
        ),
    ):
        with pytest.raises(bf.Unsupported, match=rf"{name} has dtype") as refused:
            call()
        assert refused.value.__cause__ is None
    assert_unchanged(problem.arrays, before)


@pytest.mark.parametrize("exporter", [LegacyExporter, VersionedExporter])
@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("type_lanes", 2, "type float16_x2"),
        ("type_lanes", 0, "type float16_x0"),
        ("type_lanes", 257, "type float16_x257"),
        ("type_bits", 0, "type"),
        ("type_code", 200, "DLPack type"),
        ("ndim", -1, "shape"),
        ("ndim", 2, "shape|dimensions"),
        ("shape", None, "shape"),
        ("device_type", 77, ""),
    ],
)
def test_fields_of_dlpack(exporter: Any, field: str, value: Any, says: str) -> None:
    problem = Problem()
    before = problem.snapshot()
    operand = exporter(problem.arrays["key"])
    operand.fields = {field: value}
    plan = select(HostBackend(), SMALL.descriptor(problem.num_pages))
    for call in (
        lambda: plan.run(None, bf.Workspace.NONE, make_args(problem.arrays | {"key": operand})),
        lambda: bf.append_paged_kv(**problem.arrays | {"key": operand}, stream=None),
    ):
        with pytest.raises(bf.BaracudaError, match=f"key.*{says}"):
            call()
    assert operand.alive == 0
    assert_unchanged(problem.arrays, before)


@pytest.mark.parametrize(
    ("field", "value"), [("type_lanes", 2), ("ndim", -1), ("ndim", 2), ("shape", None), ("extent", -8)]
)
def test_fields_of_a_record(field: str, value: Any) -> None:
    memory = np.zeros(8, np.int64)
    operand = LegacyExporter(memory)
    operand.fields = {field: value}
    with pytest.raises(bf.BaracudaError, match="error_record") as refused:
        bf.ErrorRecord(operand)
    assert refused.value.function == "ErrorRecord"


@pytest.mark.parametrize("name", ["indices", "indptr", "last_page_len"])
def test_a_page_table_of_fewer_than_no_entries(name: str) -> None:
    table: dict[str, Any] = {each: Problem().arrays[each] for each in ("indices", "indptr", "last_page_len")}
    table[name] = LegacyExporter(table[name])
    table[name].fields = {"extent": -3}
    with pytest.raises(bf.InvalidProblem, match=f"{name} has -3 entries"):
        bf.validate_page_table(**table, page_size=4, num_total_pages=8, stream=None)


@pytest.mark.parametrize("extent", [HUGE, -1, 2**64 + 3, 3.0, True])
@pytest.mark.parametrize("field", ["shape", "strides"])
def test_tensor_views(field: str, extent: Any) -> None:
    if (field, extent) == ("strides", -1):
        assert bf.TensorView(ptr=64, shape=(3,), strides=(-1,), element="i32").strides == (-1,)
        return
    fields = {"shape": (3,), "strides": (1,)} | {field: (extent,)}
    with pytest.raises(bf.InvalidProblem, match=rf"{field}\[0\]"):
        bf.TensorView(ptr=64, element="i32", **fields)
