"""Every way to say places, through _run and through _bind: where rows go, what is padding, and what the
operands may be. All of memory is compared.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import pytest

from support.c_abi import abi
from support.c_abi.placed import BY_SEQ_LENS, OLD, PAGES, RAGGED, SLOTS, WAYS, Placed, Way
from support.c_abi.real_tensors import KV, OnHost, Place
from support.c_abi.tensors import HostTensor, bind
from support.problems.elements import F16, F32, I8
from support.views.views import CACHES, ROWS, Extents

ENTRANCES = ("stated", "bound")
INT64_MIN, INT64_MAX = -(1 << 63), (1 << 63) - 1

each_way = pytest.mark.parametrize("way", WAYS, ids=lambda way: way.name)


def wide_sets(way: Way) -> list[tuple[str, ...]]:
    names = way.operands
    return [subset for n in range(len(names) + 1) for subset in itertools.combinations(names, n)]


@pytest.mark.parametrize("entrance", ENTRANCES)
@pytest.mark.parametrize("padding", [False, True], ids=["all", "padded"])
@each_way
def test_rows_go_to_their_places(place: Place, way: Way, padding: bool, entrance: str) -> None:
    for rows, caches, layout in (
        ("fused-qkv", "interleaved", "HND"),
        ("more-rows", "page-major", "NHD"),
        ("packed", "packed", "HND"),
    ):
        extents = Extents(width=24, value_width=40)
        placed = Placed(way, ROWS[rows], CACHES[caches], extents, layout=layout, padding=padding)
        served = sum(at is not None for at in placed.places())
        assert served > 3
        assert padding <= (served < sum(placed.new))
        placed.run_and_check(place, getattr(placed, entrance)(place))


@pytest.mark.parametrize("entrance", ENTRANCES)
@each_way
def test_each_operand_is_32_or_64_bits_by_itself(place: Place, way: Way, entrance: str) -> None:
    for wide in wide_sets(way):
        placed = Placed(way, index_types=dict.fromkeys(wide, np.int64))
        op = getattr(placed, entrance)(place)
        assert op.int64_operands == sum(1 << abi.OPERANDS.index(name) for name in wide)
        placed.run_and_check(place, op)


@pytest.mark.parametrize(
    "extents",
    [Extents(width=1, value_width=1, element=I8), Extents(width=7, value_width=5, element=F32)],
    ids=str,
)
@each_way
def test_rows_of_any_width(place: Place, way: Way, extents: Extents) -> None:
    placed = Placed(way, ROWS["padded-heads"], CACHES["other-order"], extents)
    placed.run_and_check(place, placed.bound(place))


@each_way
def test_key_alone(place: Place, way: Way) -> None:
    placed = Placed(way, ROWS["fused-qkv"], CACHES["interleaved"])
    placed.drop_value()
    placed.run_and_check(place, placed.bound(place))


@each_way
def test_packed_without_strides(place: Place, way: Way) -> None:
    placed = Placed(way, extents=Extents(element=F16))
    op = placed.stated(place)
    op.flags &= ~abi.STRIDED
    for name in KV:
        getattr(op, f"{name}_strides")[0] = -999
    placed.run_and_check(place, op)


@each_way
def test_binding_states_what_is_so(way: Way) -> None:
    """Everything that INFER infers, and what bind always takes from the operands."""
    for wide in ((), way.operands):
        placed = Placed(way, index_types=dict.fromkeys(wide, np.int64))
        bound, stated = placed.bound(OnHost()), placed.stated(OnHost())
        bound.flags &= ~abi.INFER
        assert abi.describe(bound) == abi.describe(stated)


@each_way
def test_without_infer_nothing_is_inferred(way: Way) -> None:
    """0 requests and rows are 0 of them."""
    placed = Placed(way)
    op = placed.stated(OnHost())
    assert bind(op, placed.described(OnHost())) == abi.OK, abi.message()
    op.batch_size = op.num_rows = 0
    if way.addressing == "RAGGED":  # key may have more rows
        op.batch_size = placed.num_requests
        assert bind(op, placed.described(OnHost())) == abi.OK, abi.message()
        assert op.num_rows == 0
        return
    before = bytes(op)
    assert bind(op, placed.described(OnHost())) == abi.INVALID_PROBLEM
    assert "shape" in abi.message()
    assert bytes(op) == before


@each_way
def test_a_count_that_nothing_says_is_not_inferred_to_be_0(way: Way) -> None:
    """The operand that would say it was forgotten; one that the struct has was not, and may be empty."""
    says = {
        "LAST_PAGE": ("seq_lens", "batch_size"),
        "RAGGED": ("append_indptr" if way.lengths != "SEQ_LENS" else "seq_lens", "batch_size"),
        "POSITIONS": ("indptr", "batch_size"),
        "SLOTS": ("slot_mapping", "num_rows"),
    }
    forgotten, count = says[way.addressing]
    if way.name == "ragged":
        forgotten = "last_page_len"
    placed = Placed(way)
    for also in ((), ("key",) if way.addressing == "RAGGED" else ()):
        described = placed.described(OnHost())
        for name in (forgotten, *also):
            del described[name]
        op = placed.asked(OnHost())
        before = bytes(op)
        assert bind(op, described) == abi.INVALID_PROBLEM
        assert f"{count} is 0 and {forgotten} is NULL" in abi.message()
        assert bytes(op) == before
    bound = placed.bound(OnHost())
    bound.batch_size = bound.num_rows = 0
    assert bound.flags & abi.INFER
    assert bind(bound, {}) == abi.OK, abi.message()
    assert (bound.batch_size, bound.num_rows) == (0, 0)


@each_way
def test_what_is_kept(place: Place, way: Way) -> None:
    """Rebinding the rows alone leaves what says places as it was."""
    placed = Placed(way)
    op = placed.bound(place)
    rows = {name: tensor for name, tensor in placed.described(place).items() if name in ("key", "value")}
    before = bytes(op)
    assert bind(op, rows) == abi.OK, abi.message()
    assert bytes(op) == before
    placed.run_and_check(place, op)


def _lengthen(tensor: HostTensor) -> None:
    tensor.shape[0] += 1


def _shorten(tensor: HostTensor) -> None:
    tensor.shape[0] -= 1


def _stretch(tensor: HostTensor) -> None:
    tensor.strides[-1] = 2  # type: ignore[index]


def _field(**values: int) -> Callable[[HostTensor], None]:
    def spoil(tensor: HostTensor) -> None:
        for name, value in values.items():
            setattr(tensor.c, name, value)

    return spoil


Spoiled = tuple[Callable[[HostTensor], None], int, tuple[str, ...]]
SPOILED: dict[str, Spoiled] = {
    "an entry more": (_lengthen, abi.INVALID_PROBLEM, ("shape", "should be")),
    "an entry less": (_shorten, abi.INVALID_PROBLEM, ("shape", "should be")),
    "no dimension": (_field(ndim=0), abi.INVALID_PROBLEM, ()),
    "a negative rank": (_field(ndim=-1), abi.INVALID_PROBLEM, ("ndim -1",)),
    "strided": (_stretch, abi.UNSUPPORTED, ("strides",)),
    "int16": (_field(type_bits=16), abi.UNSUPPORTED, ("int16", "int32 or int64")),
    "uint32": (_field(type_code=1), abi.UNSUPPORTED, ("uint32", "int32 or int64")),
    "float": (_field(type_code=2), abi.UNSUPPORTED, ("f32", "int32 or int64")),
    "lanes": (_field(type_lanes=2), abi.UNSUPPORTED, ("int32 or int64",)),
    "CUDA memory": (_field(device_type=2, device_id=3), abi.INVALID_PROBLEM, ("CUDA device 3", "host")),
    "half a word off": (_field(byte_offset=2), abi.MISALIGNED_OPERAND, ("aligned to 4 bytes",)),
    "NULL": (_field(data=0), abi.INVALID_PROBLEM, ("NULL",)),
}


@pytest.mark.parametrize("wrong", SPOILED)
@each_way
def test_a_wrong_operand_is_refused_and_the_struct_as_it_was(way: Way, wrong: str) -> None:
    spoil, status, says = SPOILED[wrong]
    for name in way.operands:
        if wrong.startswith("an entry") and name in ("indices", "block_table"):
            continue  # free in length
        placed = Placed(way)
        op = placed.stated(OnHost())
        described = placed.described(OnHost())
        spoil(described[name])
        before = bytes(op)
        assert bind(op, described) == status, abi.message()
        for part in (name, *says):
            assert part in abi.message()
        assert bytes(op) == before


@each_way
def test_what_is_not_wanted_is_refused(way: Way) -> None:
    placed = Placed(way)
    for name in abi.OPERANDS[4:13]:
        if name in way.operands:
            continue
        op = placed.stated(OnHost())
        described = placed.described(OnHost()) | {name: HostTensor(np.zeros(6, np.int32))}
        assert bind(op, described) == abi.INVALID_PROBLEM
        assert f"{name} is given" in abi.message()


@pytest.mark.parametrize("way", [way for way in WAYS if way.table == "DENSE"], ids=lambda way: way.name)
def test_the_rows_of_a_dense_table(way: Way) -> None:
    """As many as requests, or more; one is not stepped over."""
    placed = Placed(way)
    described = placed.described(OnHost())
    for rows, status in ((6, abi.OK), (5, abi.INVALID_PROBLEM), (0, abi.INVALID_PROBLEM)):
        described["block_table"].shape[0] = rows
        assert bind(placed.stated(OnHost()), described) == status, abi.message()
    assert "block_table has 0 rows" in abi.message()
    one = np.zeros((1, 3), np.int32)
    op = placed.asked(OnHost())
    given = placed.described(OnHost()) | {
        "block_table": HostTensor(one),
        "seq_lens": HostTensor(np.array([4], np.int32)),
    }
    if way.addressing == "RAGGED":
        given["append_indptr"] = HostTensor(np.array([0, 2], np.int32))
    for stride in (3, 0, -1, INT64_MIN, INT64_MAX):
        given["block_table"].strides[0] = stride  # type: ignore[index]
        op = placed.asked(OnHost())
        assert bind(op, given) == abi.OK, abi.message()
        assert (op.batch_size, op.max_pages, op.block_table_stride) == (1, 3, 0)
    for stride in (-1, INT64_MIN):
        described = placed.described(OnHost())
        described["block_table"].strides[0] = stride  # type: ignore[index]
        assert bind(placed.asked(OnHost()), described) == abi.INVALID_PROBLEM
        assert "block_table_stride" in abi.message()


@pytest.mark.parametrize("way", [way for way in WAYS if way.table == "DENSE"], ids=lambda way: way.name)
def test_a_stride_that_is_not_taken(place: Place, way: Way) -> None:
    """Of a table of one request, or of no pages: any, and nothing overflows."""
    placed = Placed(way)
    for stride in (INT64_MAX, 1 << 62, 1 << 31):
        op = placed.stated(place)
        op.batch_size, op.block_table_stride = 1, stride
        assert abi.can_implement(op) == abi.OK, abi.message()
        op = placed.stated(place)
        op.block_table_stride = stride
        op.flags |= abi.GUARDED  # the table is not looked at: there may be no memory so far away
        assert abi.can_implement(op) == abi.INVALID_PROBLEM or stride == 1 << 31
        op.max_pages = 0
        assert abi.can_implement(op) == abi.OK, abi.message()


@each_way
def test_memory_is_judged(way: Way) -> None:
    for name in way.operands:
        placed = Placed(way)
        shift = getattr(placed.stated(OnHost()), name)
        for value, status, says in (
            (None, abi.INVALID_PROBLEM, "is NULL"),
            (shift + 2, abi.MISALIGNED_OPERAND, "aligned to 4 bytes"),
            (placed.stated(OnHost()).k_data + 8, abi.INVALID_PROBLEM, "overlap"),
            ((1 << 64) - 4, abi.INVALID_PROBLEM, "address space"),
        ):
            op = placed.stated(OnHost())
            setattr(op, name, value)
            before = [block.copy() for block in placed.memory.blocks]
            for call in (abi.can_implement, abi.run):
                assert call(op) == status, abi.message()
                assert name in abi.message()
                assert says in abi.message()
            placed.check(OnHost(), before)
        op = placed.stated(OnHost())
        op.int64_operands |= 1 << abi.OPERANDS.index(name)
        setattr(op, name, shift + 4)
        assert abi.can_implement(op) == abi.MISALIGNED_OPERAND
        assert f"{name} is at" in abi.message()
        assert "aligned to 8 bytes" in abi.message()


@each_way
def test_no_rows(place: Place, way: Way) -> None:
    """Nothing is done, and no operand is looked at."""
    placed = Placed(way)
    before = [block.copy() for block in placed.memory.blocks]
    op = placed.stated(place)
    op.num_rows = 0
    if way.addressing == "LAST_PAGE":
        op.batch_size = 0
    for name in (*KV, *way.operands):
        setattr(op, name, None)
    assert abi.can_implement(op) == abi.OK, abi.message()
    assert abi.run(op) == abi.OK, abi.message()
    placed.check(place, before)


@pytest.mark.parametrize("way", RAGGED, ids=lambda way: way.name)
def test_rows_and_no_requests(place: Place, way: Way) -> None:
    """Every row is behind them all."""
    placed = Placed(way)
    before = [block.copy() for block in placed.memory.blocks]
    op = placed.stated(place)
    op.batch_size = 0
    assert abi.run(op) == abi.OK, abi.message()
    placed.check(place, before)


@each_way
def test_nothing_but_padding(place: Place, way: Way) -> None:
    """Each kind of it; operands that then have no elements are NULL."""
    placed = Placed(way)
    views = placed.views
    entries = {"slot_mapping": -3, "batch_indices": -1, "append_indptr": 0, "indices": -2, "block_table": -2}
    no_table = way.lengths == "SEQ_LENS" and way.counts_new
    if no_table:
        entries |= {"seq_lens": 0, "indptr": 0}
    for name in way.operands:
        if name in entries:
            views[name][...] = entries[name]
    assert not any(placed.places())
    before = [block.copy() for block in placed.memory.blocks]
    op = placed.stated(place)
    if no_table:
        op.max_pages = op.total_used_pages = 0
        op.block_table = op.indices = None
    assert abi.can_implement(op) == abi.OK, abi.message()
    assert abi.run(op) == abi.OK, abi.message()
    placed.check(place, before)


@pytest.mark.parametrize("way", BY_SEQ_LENS, ids=lambda way: way.name)
def test_a_page_listed_too_early_is_not_written(place: Place, way: Way) -> None:
    placed = Placed(way, padding=False)
    pages = placed.pages_of(0)
    assert pages is not None
    needed = (OLD[0] + placed.new[0] - 1) // SLOTS
    early = [at for at in placed.places() if at is not None and at[0] in pages[needed + 1 :]]
    assert len(pages) > needed + 1
    assert not early
    placed.run_and_check(place, placed.bound(place))


@pytest.mark.parametrize("skip", [0, 6, 2**31 - 1, INT64_MAX, INT64_MIN, -1, PAGES * SLOTS])
@pytest.mark.parametrize("wide", [False, True], ids=["int32", "int64"])
def test_a_slot_that_is_skipped(place: Place, skip: int, wide: bool) -> None:
    """Also one that would be corrupt."""
    placed = Placed(WAYS[-1], index_types={"slot_mapping": np.int64 if wide else np.int32})
    placed.skip_slot = skip
    if wide or skip < 1 << 31:
        placed.views["slot_mapping"][2] = max(skip, -(1 << 31)) if not wide else skip
    placed.run_and_check(place, placed.stated(place))
