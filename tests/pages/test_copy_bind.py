"""baracuda_paged_kv_copy_bind: what it takes from described tensors, and what it refuses."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from support.c_abi import abi
from support.c_abi.tensors import HostTensor
from support.devices.bits import assert_same_bits
from support.pages.copy_problem import (
    OTHERS,
    PAGE,
    PAGES,
    bind,
    make_arrays,
    make_copy,
    named,
    pack,
    run,
)

Tensors = dict[str, HostTensor]


def unfilled(movement: str, flags: int = abi.STRIDED) -> abi.Copy:
    return abi.Copy(
        struct_size=ctypes.sizeof(abi.Copy), flags=flags, backend=abi.HOST, movement=abi.MOVEMENTS[movement]
    )


def described(movement: str, arrays: dict[str, Any], parts: int = abi.KEY_AND_VALUE) -> Tensors:
    return {name: HostTensor(arrays[name]) for name in named(movement, parts)}


@pytest.mark.parametrize("movement", OTHERS)
def test_everything_is_taken_from_the_operands(movement: str) -> None:
    arrays = make_arrays()
    op = unfilled(movement)
    assert bind(op, described(movement, arrays)) == abi.OK, abi.message()
    stated = make_copy(arrays, movement)
    pack(stated)
    assert bytes(op) == bytes(stated)
    packed = unfilled(movement, flags=0)
    assert bind(packed, described(movement, arrays)) == abi.OK, abi.message()
    assert packed.flags == 0
    before = arrays["buffer"].copy(), arrays["k_data"].copy()
    assert run(packed) == abi.OK, abi.message()
    changed = {"COPY": "k_data", "SCATTER": "k_data", "GATHER": "buffer"}[movement]
    was = before[0 if changed == "buffer" else 1]
    assert not np.array_equal(arrays[changed].view("u2"), was.view("u2"))


def test_index_types_each_by_itself() -> None:
    arrays = make_arrays()
    for wide in ((), ("source",), ("destination",), ("source", "destination")):
        given = arrays | {name: arrays[name].astype(np.int64) for name in wide}
        op = unfilled("COPY")
        assert bind(op, described("COPY", given)) == abi.OK, abi.message()
        assert op.int64_operands == sum(1 << abi.COPY_OPERANDS.index(name) for name in wide)


def test_key_alone() -> None:
    arrays = make_arrays()
    op = unfilled("GATHER")
    op.parts = abi.KEY
    rows = np.zeros((3, *PAGE), np.float16)
    tensors = described("GATHER", arrays | {"buffer": rows}, abi.KEY)
    assert bind(op, tensors) == abi.OK, abi.message()
    assert run(op) == abi.OK, abi.message()
    assert_same_bits(rows[:2], arrays["k_data"][:2], "buffer")


def test_any_type_of_whole_bytes() -> None:
    for dtype in ("u1", "i2", "f8", "c16", "?"):
        cache = np.zeros((4, 3), dtype)
        op = unfilled("COPY")
        op.parts = abi.KEY
        arrays = make_arrays() | {"k_data": cache}
        arrays["destination"] = np.array([3, 2, -1], np.int32)
        tensors = {name: HostTensor(arrays[name]) for name in ("source", "destination")}
        tensors["k_data"] = HostTensor(cache.view(f"u{min(cache.itemsize, 8)}"))
        tensors["k_data"].c.type_bits = 8 * cache.itemsize
        tensors["k_data"].shape[1] = 3
        if cache.itemsize == 16:
            tensors["k_data"].strides[:] = [3, 1]
        assert bind(op, tensors) == abi.OK, abi.message()
        assert op.k_element_bytes == cache.itemsize


def _replace(name: str, make: Callable[[Any], Any]) -> Callable[[dict[str, Any], Tensors], None]:
    def spoil(arrays: dict[str, Any], tensors: Tensors) -> None:
        arrays[name] = made = make(arrays[name])
        tensors[name] = HostTensor(made)

    return spoil


def _without(name: str) -> Callable[[dict[str, Any], Tensors], None]:
    return lambda arrays, tensors: tensors.pop(name) and None


def _on_device(name: str, kind: int) -> Callable[[dict[str, Any], Tensors], None]:
    return lambda arrays, tensors: setattr(tensors[name].c, "device_type", kind)


REFUSED: list[tuple[str, int, Callable[[dict[str, Any], Tensors], None], str]] = [
    ("COPY", 2, _without("k_data"), "k_data is NULL"),
    ("COPY", 2, _without("v_data"), "v_data is NULL"),
    ("COPY", 2, _without("destination"), "destination is NULL"),
    ("GATHER", 2, _without("buffer"), "buffer is NULL"),
    ("COPY", 2, _replace("buffer", lambda _: np.zeros((3, 1), "u1")), "buffer is given; with movement COPY"),
    ("GATHER", 2, _replace("destination", lambda a: a), "destination is given; with movement GATHER"),
    ("SCATTER", 2, _replace("source", lambda a: a), "source is given; with movement SCATTER"),
    ("COPY", 2, _replace("k_data", lambda a: a.reshape(1, 1, 1, 1, 1, 1, -1)), "k_data has 7 dimensions"),
    ("COPY", 2, _replace("k_data", lambda a: np.zeros((0, 4), "f2")), "num_total_pages is 0"),
    ("COPY", 2, _replace("v_data", lambda a: np.zeros((PAGES, 0), "f2")), "v_data has an extent of 0"),
    ("COPY", 2, _replace("v_data", lambda a: a[:-1]), "v_data has 5 pages and k_data has 6"),
    (
        "COPY",
        2,
        _replace("source", lambda a: a.reshape(1, -1)),
        "source has shape [1, 3], 2 dimensions; it should have 1",
    ),
    ("COPY", 2, _replace("destination", lambda a: a[:2]), "destination has 2 entries and source has 3"),
    ("COPY", 3, _replace("source", lambda a: np.repeat(a, 2)[::2]), "source of shape [3] has strides [2]"),
    ("COPY", 3, _replace("source", lambda a: a.astype("i2")), "source is of type int16"),
    ("COPY", 3, _replace("destination", lambda a: a.astype("u4")), "destination is of type uint32"),
    ("COPY", 3, _replace("source", lambda a: a.astype("f4")), "source is of type f32"),
    ("GATHER", 2, _replace("buffer", lambda a: a[:2]), "buffer has 5 dimensions and 2 rows"),
    ("GATHER", 2, _replace("buffer", lambda a: a.reshape(-1)), "buffer has 1 dimensions"),
    (
        "GATHER",
        2,
        _replace("buffer", lambda a: a[..., :-1].copy()),
        "rows of 224 bytes; a page has 256",
    ),
    ("GATHER", 2, _replace("buffer", lambda a: a[:, 0].copy()), "buffer has rows of 128 bytes"),
    ("SCATTER", 2, _replace("buffer", lambda a: np.repeat(a, 2, 1)), "buffer has rows of 512 bytes"),
    ("SCATTER", 3, _replace("buffer", lambda a: np.repeat(a, 2, 0)[::2]), "buffer of shape"),
    ("COPY", 2, _on_device("k_data", 2), "k_data is in the memory of CUDA device 0"),
    ("GATHER", 2, _on_device("buffer", 7), "buffer is on a device of DLPack type 7"),
]


@pytest.mark.parametrize(
    ("movement", "status", "spoil", "says"), REFUSED, ids=lambda v: v if type(v) is str else ""
)
def test_what_does_not_fit_is_refused(
    movement: str, status: int, spoil: Callable[[dict[str, Any], Tensors], None], says: str
) -> None:
    arrays: dict[str, Any] = dict(make_arrays())
    tensors = described(movement, arrays)
    spoil(arrays, tensors)
    op = unfilled(movement)
    before = bytes(op)
    assert bind(op, tensors) == status, abi.message()
    assert says in abi.message()
    assert bytes(op) == before


def test_strides_without_the_flag() -> None:
    arrays = make_arrays()
    both = np.zeros((PAGES, 2, *PAGE), np.float16)
    tensors = described("COPY", arrays | {"k_data": both[:, 0]})
    op = unfilled("COPY", flags=0)
    assert bind(op, tensors) == abi.UNSUPPORTED
    assert "k_data of shape" in abi.message()
    assert "STRIDED" in abi.message()


def test_the_length_of_the_array() -> None:
    arrays = make_arrays()
    tensors = described("COPY", arrays)
    op = unfilled("COPY")
    assert bind(op, tensors, 4) == abi.OK, abi.message()
    assert bind(op, tensors, 3) == abi.INVALID_PROBLEM
    assert "destination is NULL" in abi.message()
    assert bind(op, tensors, 9) == abi.OK, abi.message()
    function = abi.library().baracuda_paged_kv_copy_bind
    beyond = (ctypes.c_void_p * 6)()
    beyond[5] = ctypes.addressof(tensors["k_data"].c)
    assert function(ctypes.addressof(op), ctypes.addressof(beyond), 6) == abi.INVALID_PROBLEM
    assert "operands[5] is not NULL; this library (ABI 1) knows 5" in abi.message()
    assert function(ctypes.addressof(op), None, 5) == abi.INVALID_PROBLEM
    assert function(ctypes.addressof(op), None, -1) == abi.INVALID_PROBLEM


def test_a_newer_caller_s_struct() -> None:
    """Larger, and zero there, is taken; with something that this library does not know it is refused."""

    class Newer(ctypes.Structure):
        _fields_ = [("known", abi.Copy), ("more", ctypes.c_int64)]

    arrays = make_arrays()
    newer = Newer(known=make_copy(arrays), more=0)
    newer.known.struct_size = ctypes.sizeof(Newer)
    call = abi.library().baracuda_paged_kv_copy_run
    assert call(ctypes.addressof(newer)) == abi.OK, abi.message()
    assert_same_bits(arrays["k_data"][4], arrays["k_data"][0], "the page")
    newer.more = 1
    assert call(ctypes.addressof(newer)) == abi.INVALID_PROBLEM
    assert "is not zero" in abi.message()


def test_preload_on_the_host_loads_nothing() -> None:
    arch = ctypes.c_int32(-1)
    op = make_copy(make_arrays())
    assert (
        abi.library().baracuda_paged_kv_copy_preload(ctypes.addressof(op), ctypes.addressof(arch)) == abi.OK
    )
    assert arch.value == 0
