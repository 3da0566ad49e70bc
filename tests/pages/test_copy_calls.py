"""copy_pages, gather_pages, scatter_pages as Python calls: what they take and what they say of mistakes."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
import pytest

import baracuda_ffi as bf
from baracuda_ffi._native.accelerator import builtin_calls
from baracuda_ffi._native.library import NOT_JUDGED, library
from support.c_abi import abi
from support.c_abi.tensors import as_view
from support.calls.exporters import VersionedExporter, exchange_type
from support.devices.bits import Array, random_bits


def caches() -> tuple[Array, Array]:
    rng = np.random.default_rng(1)
    return random_bits(rng, (6, 2, 4, 8), "f2"), random_bits(rng, (6, 2, 4, 8), "f2")


SOURCE, DESTINATION = np.array([0, 1]), np.array([4, 5])


def check_copied(k_data: Array, v_data: Array) -> None:
    for cache in (k_data, v_data):
        assert (cache.view("u2")[[4, 5]] == cache.view("u2")[[0, 1]]).all()


WAYS = ["built in", "through ctypes"]


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """As CPython calls, and as every interpreter that has ctypes can."""
    if request.param == "through ctypes":
        monkeypatch.setattr(library(), "copy", lambda op, stream, operands: NOT_JUDGED)
    name: str = request.param
    return name


def _of_torch(array: Array) -> Any:
    return pytest.importorskip("torch").from_numpy(array)


@pytest.mark.parametrize("kind", [np.asarray, as_view, _of_torch, VersionedExporter, exchange_type()])
def test_every_movement_of_every_kind(kind: Any, way: str) -> None:
    k_data, v_data = caches()
    operands = [kind(array) for array in (k_data, v_data, SOURCE, DESTINATION)]
    bf.copy_pages(*operands, stream=None)
    check_copied(k_data, v_data)
    buffer = np.zeros((2, 2, 2, 4, 8), "f2")
    bf.gather_pages(*operands[:3], kind(buffer), stream=None)
    for part, cache in enumerate((k_data, v_data)):
        assert (buffer[:, part].view("u2") == cache.view("u2")[:2]).all()
        cache[4:] = 0
    bf.scatter_pages(*operands[:2], operands[3], kind(buffer), stream=None)
    check_copied(k_data, v_data)


def test_each_operand_is_read_once_and_the_struct_is_left_as_it_was() -> None:
    kind = exchange_type()
    copy = builtin_calls(abi.library(), {kind: kind.reader})["copy"]
    k_data, v_data = caches()
    operands = tuple(kind(array) for array in (k_data, v_data, SOURCE, DESTINATION))
    op = bytes(abi.Copy(struct_size=ctypes.sizeof(abi.Copy), backend=abi.HOST))
    kept = bytes(bytearray(op))
    assert copy(op, None, operands) == abi.OK
    check_copied(k_data, v_data)
    assert [operand.reads for operand in operands] == [1] * 4
    assert op == kept
    before = k_data.copy()
    assert copy(op, None, (*operands, operands[0])) == abi.INVALID_PROBLEM
    assert abi.message().startswith("buffer is given; ")
    for stream, given in ((0, operands), (None, (object(), *operands[1:]))):
        assert copy(op, stream, given) == NOT_JUDGED
    assert copy(op[:-1] + b"\1", None, operands) != abi.OK  # whatever its last member is
    assert (k_data.view("u2") == before.view("u2")).all()


def test_views_by_pointer() -> None:
    k_data, v_data = caches()
    operands = map(as_view, (k_data, v_data, SOURCE, DESTINATION))
    bf.copy_pages(*operands, stream=None)
    check_copied(k_data, v_data)


def test_tensors_of_torch() -> None:
    torch = pytest.importorskip("torch")
    k_data, v_data = caches()
    lists = [torch.from_numpy(ids) for ids in (SOURCE, DESTINATION)]
    bf.copy_pages(torch.from_numpy(k_data), torch.from_numpy(v_data), *lists, stream=None)
    check_copied(k_data, v_data)
    both = torch.randn(6, 2, 2, 4, 8).to(torch.bfloat16)
    buffer = torch.zeros(2, 2, 2, 4, 8, dtype=torch.bfloat16)
    bf.gather_pages(kv_data=both, source=lists[1], buffer=buffer, stream=None)
    assert torch.equal(buffer, both[4:6])
    bf.scatter_pages(kv_data=both, destination=lists[0], buffer=buffer, stream=None)
    assert torch.equal(both[:2], buffer)


def test_what_autograd_watches_may_be_read_and_not_written() -> None:
    torch = pytest.importorskip("torch")
    watched = torch.randn(6, 8, requires_grad=True)
    buffer = torch.zeros(2, 8)
    bf.gather_pages(watched, None, SOURCE, buffer, stream=None)
    assert torch.equal(buffer, watched.detach()[:2])
    with pytest.raises(bf.Unsupported, match="k_data requires grad and is written"):
        bf.scatter_pages(watched, None, DESTINATION, buffer, stream=None)
    with pytest.raises(bf.Unsupported, match="buffer requires grad and is written"):
        bf.gather_pages(watched.detach(), None, SOURCE, buffer.requires_grad_(), stream=None)


def test_a_fork_as_a_block_manager_tells_it() -> None:
    """The copies that it tells are a call's lists."""
    k_data, v_data = caches()
    manager = bf.BlockManager(6, 4)
    parent = manager.add()
    manager.grow(parent, 2)
    manager.commit()
    child = manager.fork(parent)
    manager.grow(child, 1)
    manager.grow(parent, 1)
    source, destination = np.array(manager.take_copies(), np.int32).T.copy()
    bf.copy_pages(k_data, v_data, source, destination, stream=None)
    for page, copy in zip(source, destination, strict=True):
        assert (k_data.view("u2")[page] == k_data.view("u2")[copy]).all()


@pytest.mark.parametrize(
    ("changes", "error", "says"),
    [
        ({"k_data": None}, bf.InvalidProblem, "k_data is None; it should be an array"),
        ({"source": None}, bf.InvalidProblem, "source is None"),
        ({"destination": None}, bf.InvalidProblem, "destination is None"),
        ({"kv_data": np.zeros((6, 2, 8))}, bf.InvalidProblem, "kv_data stands for both"),
        ({"source": [0, 1]}, bf.InvalidProblem, "source is a list"),
        ({"source": np.array([0.0, 1.0])}, bf.Unsupported, "source is of type float64"),
        ({"k_data": np.zeros((6, 8), "M8[s]")}, bf.Unsupported, "k_data has dtype datetime64"),
        ({"stream": "stream"}, bf.InvalidProblem, "stream is 'stream'"),
        ({"guarded": 1}, bf.InvalidProblem, "guarded is 1; it should be a bool"),
        ({"error_record": np.zeros(8)}, bf.InvalidProblem, "error_record is a numpy.ndarray"),
        ({"error_record": bf.ErrorRecord.allocate(None)}, bf.InvalidProblem, "pass guarded=True"),
        ({"v_data": np.zeros((5, 8))}, bf.InvalidProblem, "v_data has 5 pages and k_data has 6"),
    ],
    ids=lambda value: "+".join(value) if isinstance(value, dict) else "",
)
def test_mistakes(changes: dict[str, Any], error: type[bf.BaracudaError], says: str, way: str) -> None:
    k_data, v_data = caches()
    operands = {
        "k_data": k_data,
        "v_data": v_data,
        "source": SOURCE,
        "destination": DESTINATION,
        "stream": None,
    }
    before = k_data.copy()
    with pytest.raises(error, match=says.replace("(", r"\(")) as raised:
        bf.copy_pages(**operands | changes)
    assert raised.value.function == "copy_pages"
    assert (k_data.view("u2") == before.view("u2")).all()


def test_each_function_names_itself(way: str) -> None:
    k_data, v_data = caches()
    buffer = np.zeros((2, 3), "u1")
    for call, name in ((bf.gather_pages, "source"), (bf.scatter_pages, "destination")):
        with pytest.raises(bf.InvalidProblem, match="buffer has rows of 3 bytes; a page has 256") as raised:
            call(k_data, v_data, **{name: SOURCE}, buffer=buffer, stream=None)  # type: ignore[operator]
        assert raised.value.function == call.__name__  # type: ignore[attr-defined]
        with pytest.raises(bf.InvalidProblem, match="buffer is None"):
            call(k_data, v_data, **{name: SOURCE}, stream=None)  # type: ignore[operator]
