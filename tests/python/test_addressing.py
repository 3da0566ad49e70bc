"""What says where rows go, through the package: the sets of operands and their messages, the descriptor's
fields, plans and launches of each set, and counts that change from call to call.
"""

from __future__ import annotations

import copy
import pickle
import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import baracuda_ffi as bf
from baracuda_ffi._append.addressing import OF_ROWS
from baracuda_ffi.reference import append_paged_kv_reference
from support.damaged.page_tables import DECODE, WAYS, convention_for
from support.devices.backends import Backend
from support.devices.bits import Array, assert_same_bits
from support.problems.elements import F16
from support.views.real_append import FORMS, Put, RealAppend, RealCase, append_and_check, make

A, B = np.zeros((5, 2, 8), np.float16), np.zeros((9, 4, 2, 8), np.float16)
ROWS_AND_CACHES = {"key": A, "value": A, "k_data": B, "v_data": B.copy()}
NAMES = tuple(dict.fromkeys(name for row in WAYS.values() for name in row.names))
#: Those that find a page which is missing come first.
SAFEST_FIRST = sorted(WAYS.values(), key=lambda row: "seq_lens" not in row.names)
EVERY_SET = re.escape("; ".join(f"({row})" for row in SAFEST_FIRST))

CASE = RealCase(
    rows="padded-heads",
    caches="interleaved",
    element=F16,
    widths=(40, 40),
    heads=3,
    page_size=4,
    layout="NHD",
    convention="AFTER_APPEND",
    wide=("owners",),
    entrance="one-liner",
)


def int32(*values: int) -> Array:
    return np.array(values, np.int32)


def case_of(way: str, **changes: Any) -> RealCase:
    return replace(CASE, way=way, convention=convention_for(way, CASE.convention), **changes)


def open_descriptor(real: RealAppend) -> bf.PagedKvAppendDescriptor:
    return real.descriptor.replace(batch_size=None)


class TestTheSets:
    @pytest.mark.parametrize(
        ("given", "says"),
        [
            ((), "nothing says where the rows go"),
            (("indices",), "indices given: indptr and seq_lens should be given too"),
            (("indices", "indptr"), "indices, indptr given: seq_lens should be given too"),
            (("seq_lens",), "seq_lens given: block_table should be given too"),
            (("positions",), "indices and indptr and batch_indices should be given too"),
            (("append_indptr", "last_page_len"), "indices and indptr should be given too"),
            (("indices", "indptr", "positions"), "batch_indices should be given too"),
            (("indices", "indptr", "slot_mapping"), "indices and indptr should not be given with them"),
            (("slot_mapping", "seq_lens"), "seq_lens should not be given with them"),
            (("indices", "indptr", "last_page_len", "seq_lens"), "should not be given with them"),
            (("block_table", "seq_lens", "positions"), "positions should not be given with them"),
            (NAMES, "should not be given with them"),
        ],
        ids=lambda value: "+".join(value) or "none" if isinstance(value, tuple) else "",
    )
    def test_what_is_none(self, given: tuple[str, ...], says: str) -> None:
        """Each way in says what is missing or too much, and which sets there are."""
        operands = ROWS_AND_CACHES | {name: int32(0) for name in given}
        calls = {
            "append_paged_kv": lambda: bf.append_paged_kv(**operands, stream=None),  # type: ignore[call-overload]
            "PagedKvAppendArgs": lambda: bf.PagedKvAppendArgs(**operands),
        }
        for function, call in calls.items():
            with pytest.raises(bf.InvalidProblem) as refused:
                call()
            assert refused.value.function == function
            assert re.search(f"{says}.*; .* one of: {EVERY_SET}$", refused.value.message)

    @pytest.mark.parametrize("way", WAYS)
    def test_args_say_their_set(self, way: str) -> None:
        given = ROWS_AND_CACHES | {name: int32(0) for name in WAYS[way].names}
        args = bf.PagedKvAppendArgs(**given)
        for name in (*ROWS_AND_CACHES, *NAMES):
            assert getattr(args, name) is given.get(name)
        again = copy.copy(args)
        assert [getattr(again, name) for name in given] == [given[name] for name in given]

    def test_options_that_go_with_one_set_alone(self) -> None:
        decode = {"indices": int32(1), "indptr": int32(0, 1), "last_page_len": int32(1)}
        with pytest.raises(bf.InvalidProblem, match=r"skip_slot is 0 without slot_mapping"):
            bf.append_paged_kv(**ROWS_AND_CACHES, **decode, stream=None, skip_slot=0)  # type: ignore[call-overload]
        with pytest.raises(bf.InvalidProblem, match=r"skip_slot is -1; it should be a slot"):
            bf.append_paged_kv(**ROWS_AND_CACHES, slot_mapping=int32(0), stream=None, skip_slot=-1)  # type: ignore[arg-type]
        prefill = decode | {"append_indptr": int32(0, 1)}
        with pytest.raises(bf.Unsupported, match=r"BEFORE_APPEND; .*AFTER_APPEND\), or seq_lens"):
            bf.append_paged_kv(
                **ROWS_AND_CACHES, **prefill, stream=None, layout="NHD", length_convention="BEFORE_APPEND"
            )
        prefill["seq_lens"] = prefill.pop("last_page_len")
        with pytest.raises(bf.InvalidProblem, match=r"length_convention is None; .*AFTER_APPEND where"):
            bf.append_paged_kv(**ROWS_AND_CACHES, **prefill, stream=None, layout="NHD")  # type: ignore[call-overload]


class TestTheDescriptor:
    CACHE = bf.PagedKvCacheDescriptor(
        page_size=4, num_total_pages=9, num_kv_heads=2, head_dim=8, element="f16", layout="NHD"
    )

    def of(self, **fields: Any) -> bf.PagedKvAppendDescriptor:
        return bf.PagedKvAppendDescriptor(paged_kv=self.CACHE, **fields)

    def select(self, **fields: Any) -> bf.PagedKvAppendPlan:
        return bf.PagedKvAppendPlan.select(None, self.of(**fields))

    def test_the_defaults_are_baracuda_kernels_problem(self) -> None:
        desc = self.of(batch_size=3)
        assert (desc.addressing, desc.table, desc.lengths) == (0, 0, 0)
        assert (desc.num_rows, desc.skip_slot) == (None, None)
        assert desc.length_convention is bf.LengthConvention.BEFORE_APPEND
        assert self.of().batch_size is None

    def test_a_dense_table_implies_seq_lens(self) -> None:
        assert self.of(table="DENSE").lengths is bf.LengthsKind.SEQ_LENS
        assert self.of(table="DENSE") == self.of(table=bf.TableKind.DENSE, lengths="SEQ_LENS")
        with pytest.raises(bf.InvalidProblem, match="do not go together"):
            self.select(table="DENSE", lengths="LAST_PAGE_LEN")

    def test_a_prefill_has_to_say_what_seq_lens_count(self) -> None:
        assert self.of(addressing="RAGGED").length_convention is bf.LengthConvention.AFTER_APPEND
        for table in ("CSR", "DENSE"):
            with pytest.raises(bf.InvalidProblem, match="length_convention is None"):
                self.of(addressing="RAGGED", table=table, lengths="SEQ_LENS")
        with pytest.raises(bf.Unsupported, match=r"BEFORE_APPEND; .*AFTER_APPEND"):
            self.select(addressing="RAGGED", length_convention="BEFORE_APPEND")

    @pytest.mark.parametrize("addressing", ["POSITIONS", "SLOTS"])
    @pytest.mark.parametrize("other", [{"table": "DENSE"}, {"lengths": "SEQ_LENS"}], ids=str)
    def test_what_does_not_go_together(self, addressing: str, other: dict[str, str]) -> None:
        with pytest.raises(bf.InvalidProblem, match=rf"{addressing}.*do not go together; .*{EVERY_SET}"):
            self.select(addressing=addressing, **other)

    @pytest.mark.parametrize(
        ("fields", "says"),
        [
            ({"addressing": "SLOT"}, "addressing is 'SLOT'"),
            ({"addressing": 3}, "addressing is 3"),
            ({"table": "COO"}, "table is 'COO'"),
            ({"lengths": "TOKENS"}, "lengths is 'TOKENS'"),
            ({"num_rows": 2**31}, "num_rows is 2147483648"),
            ({"skip_slot": -1}, "skip_slot is -1"),
            ({"skip_slot": 2**63}, "skip_slot is 9223372036854775808"),
        ],
        ids=str,
    )
    def test_fields_of_the_wrong_kind(self, fields: dict[str, Any], says: str) -> None:
        with pytest.raises(bf.InvalidProblem, match=says):
            self.of(**fields)

    def test_what_select_refuses(self) -> None:
        with pytest.raises(bf.InvalidProblem, match="num_rows is -3"):
            self.select(addressing="SLOTS", num_rows=-3)
        with pytest.raises(bf.InvalidProblem, match="batch_size is -1"):
            self.select(addressing="RAGGED", batch_size=-1)
        with pytest.raises(bf.Unsupported, match="no slots to skip"):
            self.select(table="DENSE", skip_slot=3)

    def test_it_is_a_value(self) -> None:
        desc = self.of(addressing="SLOTS", num_rows=4, skip_slot=0)
        for other in (copy.deepcopy(desc), pickle.loads(pickle.dumps(desc)), desc.replace()):
            assert other == desc
            assert hash(other) == hash(desc)
        assert desc.replace(num_rows=5) != desc

    def test_all_but_baracuda_kernels_problem_run_ours(self, backend: Backend) -> None:
        ours = bf.BackendKind.HOST if backend.stream is None else bf.BackendKind.BESPOKE
        for fields in (
            {"table": "DENSE"},
            {"lengths": "SEQ_LENS"},
            {"addressing": "RAGGED"},
            {"addressing": "POSITIONS"},
            {"addressing": "SLOTS"},
        ):
            plan = bf.PagedKvAppendPlan.select(backend.stream, self.of(**fields))
            assert plan.sku().backend is ours
            assert plan.error_record is None  # without guarded=True nobody asked for one


@pytest.mark.parametrize("way", WAYS)
class TestPlans:
    """Over host memory, where the views are the operands."""

    def test_args_of_another_set(self, way: str) -> None:
        real = make(case_of(way), 1)
        plan = bf.PagedKvAppendPlan.select(None, real.descriptor, bf.PlanPreference(guarded=True))
        before = [block.copy() for block in real.memory.blocks]
        for other in WAYS:
            if other == way:
                continue
            args = bf.PagedKvAppendArgs(**make(case_of(other), 1).views)
            says = rf"by {re.escape(str(WAYS[other]))}; .* for {re.escape(str(WAYS[way]))} "
            for call in (
                lambda args=args: plan.run(None, bf.Workspace.NONE, args),
                lambda args=args: plan.bind(None, args),
                lambda args=args: plan.can_implement(args),
            ):
                with pytest.raises(bf.InvalidProblem, match=says.strip()):
                    call()
        for block, expected in zip(real.memory.blocks, before, strict=True):
            assert_same_bits(block, expected, "memory")

    @pytest.mark.parametrize("guarded", [False, True])
    def test_any_batch(self, way: str, guarded: bool) -> None:
        """One plan that states no batch, over batches of every size, by run, bind and rebind."""
        reals = {}
        for how in ("run", "bind", "rebind"):
            reals[how] = [
                make(case_of(way), seed, requests=n, pages=40) for seed, n in enumerate((3, 1, 7, 0, 4))
            ]
        if way == DECODE and not guarded:
            return  # baracuda-kernels' checks take no views: test_a_decode_plan_of_any_batch
        preference = bf.PlanPreference(guarded=guarded)
        plan = bf.PagedKvAppendPlan.select(None, open_descriptor(reals["run"][0]), preference)
        launch = None
        for how, each in reals.items():
            for real in each:
                expected, _ = real.expected()
                args = bf.PagedKvAppendArgs(**real.views)
                plan.can_implement(args)
                if how == "run":
                    plan.run(None, bf.Workspace.NONE, args)
                elif how == "bind" or launch is None:
                    launch = plan.bind(None, args)
                    launch()
                else:
                    launch.rebind(**real.views)
                    launch()
                for block, after in zip(real.memory.blocks, expected, strict=True):
                    assert_same_bits(block, after, how)

    def test_a_stated_batch_is_held_to(self, way: str) -> None:
        few, many = make(case_of(way), 1, requests=3, pages=40), make(case_of(way), 2, requests=5, pages=40)
        if way == "slot_mapping":  # knows rows alone
            desc = few.descriptor.replace(num_rows=len(few.views["slot_mapping"]))
        else:
            desc = few.descriptor
        plan = bf.PagedKvAppendPlan.select(None, desc, bf.PlanPreference(guarded=True))
        launch = plan.bind(None, bf.PagedKvAppendArgs(**few.views))
        before = [block.copy() for block in many.memory.blocks]
        with pytest.raises(bf.InvalidProblem, match="it should "):
            plan.run(None, bf.Workspace.NONE, bf.PagedKvAppendArgs(**many.views))
        with pytest.raises(bf.InvalidProblem, match="it should "):
            launch.rebind(**many.views)
        for block, expected in zip(many.memory.blocks, before, strict=True):
            assert_same_bits(block, expected, "memory")

    def test_a_rebinding_that_changes_a_count_gives_all_that_has_it(self, way: str) -> None:
        few, many = make(case_of(way), 1, requests=3, pages=40), make(case_of(way), 2, requests=5, pages=40)
        plan = bf.PagedKvAppendPlan.select(None, open_descriptor(few), bf.PlanPreference(guarded=True))
        launch = plan.bind(None, bf.PagedKvAppendArgs(**few.views))
        # More rows of key or block_table than are asked for do no harm; a prefill's key says how many there
        # are.
        open_ended = ("indices", "block_table", "indptr" if "positions" in way else "")
        counted = [name for name in WAYS[way].names if name not in open_ended]
        counted += ["key"] if "append_indptr" in counted else []
        for name in counted:
            with pytest.raises(bf.InvalidProblem) as refused:
                launch.rebind(**{name: many.views[name]})
            assert re.search(r"changes from \d to \d and .* stay|it should ", refused.value.message)
        expected, _ = few.expected()
        launch()  # as it was
        for block, after in zip(few.memory.blocks, expected, strict=True):
            assert_same_bits(block, after, "memory")

    def test_a_rebinding_keeps_to_its_set(self, way: str) -> None:
        real = make(case_of(way), 1)
        plan = bf.PagedKvAppendPlan.select(None, real.descriptor, bf.PlanPreference(guarded=True))
        launch = plan.bind(None, bf.PagedKvAppendArgs(**real.views))
        for name in NAMES:
            if name not in WAYS[way].names:
                with pytest.raises(
                    bf.InvalidProblem, match=rf"^{name} is given and .* is {re.escape(str(WAYS[way]))};"
                ):
                    launch.rebind(**{name: int32(0)})

    def test_another_launch_on_another_stream(self, way: str, backend: Backend) -> None:
        """It has the same operands until either is rebound, and leaves the first as it is."""
        real = make(case_of(way, entrance="launch.on"), 1)
        append_and_check(backend, real)

    def test_a_launch_says_what_it_is(self, way: str) -> None:
        real = make(case_of(way), 1)
        plan = bf.PagedKvAppendPlan.select(None, real.descriptor, bf.PlanPreference(guarded=True))
        said = repr(plan.bind(None, bf.PagedKvAppendArgs(**real.views)))
        assert f"BoundLaunch {WAYS[way].addressing.name} batch_size=5" in said
        assert ("num_rows=7" in said) == (WAYS[way].addressing is not bf.Addressing.LAST_PAGE)


def test_a_decode_plan_of_any_batch(backend: Backend) -> None:
    """Not guarded, and so held to baracuda-kernels' checks, whatever the batch."""
    plain = case_of(DECODE, rows="packed", caches="packed", widths=(64, 64), wide=())
    desc = make(plain, 0, pages=40).descriptor.replace(batch_size=None)
    plan = bf.PagedKvAppendPlan.select(backend.stream, desc)
    launch = None
    for seed, requests in enumerate((3, 1, 7)):
        real = make(plain, seed, requests=requests, pages=40)
        put = Put(real, backend)
        expected, _ = real.expected()
        if launch is None:
            launch = plan.bind(backend.stream, bf.PagedKvAppendArgs(**put.operands))
        else:
            with pytest.raises(bf.InvalidProblem, match=r"batch_size changes from \d to \d and .* stay"):
                launch.rebind(last_page_len=put.operands["last_page_len"])
            launch.rebind(**put.operands)
        launch()
        put.check(expected)
    none = Put(make(plain, 0, requests=0, pages=40), backend)
    with pytest.raises(bf.InvalidProblem, match=r"is 0.*; it should be (at least )?1"):
        plan.run(backend.stream, bf.Workspace.NONE, bf.PagedKvAppendArgs(**none.operands))


@pytest.mark.parametrize("way", WAYS)
def test_an_empty_batch_is_rebound_one_operand_at_a_time(way: str) -> None:
    """Of torch, whose empty tensors have no address: what stays says as much as it did."""
    pytest.importorskip("torch")
    none, some = (make(case_of(way), seed, requests=n, pages=40) for seed, n in ((1, 0), (2, 3)))
    put = FORMS["torch"]
    empty = {name: put(view) for name, view in none.views.items()}
    if WAYS[way].addressing is not bf.Addressing.LAST_PAGE:  # with rows, which are padding
        empty = {name: tensor[:0] if name in OF_ROWS else tensor for name, tensor in empty.items()}
    plan = bf.PagedKvAppendPlan.select(None, open_descriptor(none), bf.PlanPreference(guarded=True))
    launch = plan.bind(None, bf.PagedKvAppendArgs(**empty))
    launch()
    for name in empty:
        launch.rebind(**{name: empty[name]})
    launch()
    launch.on(None)()
    launch.rebind(**some.views)
    expected, _ = some.expected()
    launch()
    for block, after in zip(some.memory.blocks, expected, strict=True):
        assert_same_bits(block, after, "memory")


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("guarded", [False, True])
def test_what_lies_behind_an_operand_that_stays(guarded: bool, form: str) -> None:
    """One row, and the cache right behind it: a rebinding to more requests is told that the row stays, not
    that it overlaps the cache."""
    if form == "torch":
        pytest.importorskip("torch")
    put = FORMS[form]
    block = np.zeros((1 + 8 * 4, 2, 64), np.float16)
    row, cache = block[:1], block[1:].reshape(8, 2, 4, 64)
    bound = {"key": row.copy(), "value": row, "k_data": cache, "v_data": cache.copy()}
    bound |= {"indices": int32(0, -1, -1), "indptr": int32(0, 1), "last_page_len": int32(0)}
    desc = bf.PagedKvAppendDescriptor(
        paged_kv=bf.PagedKvCacheDescriptor(
            page_size=4, num_total_pages=8, num_kv_heads=2, head_dim=64, element=bf.ElementKind.F16
        )
    )
    plan = bf.PagedKvAppendPlan.select(None, desc, bf.PlanPreference(guarded=guarded))
    operands = {name: put(array) for name, array in bound.items()}
    launch = plan.bind(None, bf.PagedKvAppendArgs(**operands))
    says = r"batch_size changes from 1 to 3 and indptr, key, value stay;"
    with pytest.raises(bf.InvalidProblem, match=says):
        launch.rebind(last_page_len=put(int32(0, 0, 0)))
    with pytest.raises(
        bf.InvalidProblem, match=r"^last_page_len has shape \[3, 1\], 2 dimensions; it should have 1"
    ):
        launch.rebind(last_page_len=put(np.zeros((3, 1), np.int32)))
    launch()


def test_a_launch_is_taken_to_streams_of_its_kind() -> None:
    real = make(case_of(DECODE), 1)
    plan = bf.PagedKvAppendPlan.select(None, real.descriptor, bf.PlanPreference(guarded=True))
    launch = plan.bind(None, bf.PagedKvAppendArgs(**real.views))
    for stream in (0, "0", object()):
        with pytest.raises(bf.InvalidProblem, match=r"launch is for the host; it should be None"):
            launch.on(stream)  # type: ignore[arg-type]


def test_slots_that_are_skipped() -> None:
    """SGLang's slot 0 is padding where it is said to be; elsewhere it is a slot."""
    for skip in (None, 0, 6):
        key = np.arange(3, dtype=np.float16).reshape(3, 1, 1) + 1
        k_data, expected = np.zeros((2, 4, 1, 1), np.float16), np.zeros((2, 4, 1, 1), np.float16)
        slots = int32(0, 6, -1)
        append_paged_kv_reference(key, None, expected, None, slot_mapping=slots, skip_slot=skip, layout="NHD")
        assert np.count_nonzero(expected) == (2 if skip is None else 1)
        bf.append_paged_kv(
            key, None, k_data, None, slot_mapping=slots, skip_slot=skip, layout="NHD", stream=None
        )
        assert_same_bits(k_data, expected, "k_data")


class TestTheSafeLengths:
    """The two natural mistakes of a decode loop are silent by last_page_len, and found by seq_lens."""

    def append(self, **operands: Any) -> Array:
        key = np.ones((1, 1, 1), np.float16)
        k_data = np.zeros((3, 4, 1, 1), np.float16)
        bf.append_paged_kv(key, None, k_data, None, **operands, layout="NHD", stream=None)
        return k_data[..., 0, 0]

    def test_a_page_that_was_never_listed(self) -> None:
        """Four tokens fill page 2; the fifth has no page."""
        table: Any = {"indices": int32(2), "indptr": int32(0, 1)}
        assert self.append(**table, last_page_len=int32(0))[2, 0] == 1  # over the oldest token
        with pytest.raises(
            bf.InvalidProblem, match=r"seq_lens is 4; it should be below 4 .*list another page"
        ):
            self.append(**table, seq_lens=int32(4))

    def test_a_page_that_is_listed_early(self) -> None:
        """Two tokens in page 2, and page 0 there already for later."""
        table: Any = {"indices": int32(2, 0), "indptr": int32(0, 2)}
        assert self.append(**table, last_page_len=int32(2))[0, 2] == 1  # in the page that is still empty
        assert self.append(**table, seq_lens=int32(2))[2, 2] == 1


@pytest.mark.parametrize("dense", [False, True], ids=["csr", "dense"])
@pytest.mark.parametrize("length", [0, 3])
def test_pages_without_room_for_the_new_tokens(dense: bool, length: int) -> None:
    """No length would do, and none is asked for: a page is."""
    new = 5 if dense else 1
    table = {"block_table": int32(1).reshape(1, 1)} if dense else {"indices": int32(), "indptr": int32(0, 0)}
    says_rows = {"append_indptr": int32(0, new)} if dense else {}
    operands: dict[str, Any] = {**table, **says_rows, "seq_lens": int32(length)}
    cache = np.zeros((3, 1, 4, 8), np.float16)
    rows = np.ones((new, 1, 8), np.float16)
    record = bf.ErrorRecord(np.zeros(8, np.int64))
    said: dict[str, Any] = {"length_convention": "BEFORE_APPEND", "stream": None}
    with pytest.raises(bf.InvalidProblem) as refused:
        bf.append_paged_kv(rows, None, cache, None, **operands, **said)
    bf.append_paged_kv(rows, None, cache, None, **operands, **said, guarded=True, error_record=record)
    with pytest.raises(bf.CorruptPageTable) as recorded:
        record.check(None)
    (found,) = bf.validate_page_table(**operands, **said, page_size=4, num_total_pages=3)
    for message in (str(refused.value), str(recorded.value), found.message):
        assert f"is {length}" in message
        assert "list another page" in message or "list more pages" in message
        assert not re.search(r"below 0|below -|most -", message)


TWO_PAGES = {"indices": int32(1, 2), "indptr": int32(0, 2)}


@pytest.mark.parametrize(
    ("operands", "says"),
    [
        ({"slot_mapping": int32(12)}, r"slot_mapping is 12; .* below 12 \(num_total_pages \* page_size\)$"),
        (
            {"indices": int32(1, 3), "indptr": int32(0, 2), "seq_lens": int32(7)},
            r"indices is 3; it should be below 3 \(num_total_pages\)$",
        ),
        (
            {"block_table": int32(1, 3).reshape(1, 2), "seq_lens": int32(7)},
            r"block_table is 3; it should be below 3 \(num_total_pages\)$",
        ),
        (
            {"indices": int32(1, 2), "indptr": int32(0, 3), "seq_lens": int32(7)},
            r"indptr is 3; it should be below 3 \(.* at most the entries of indices\)$",
        ),
        (
            TWO_PAGES | {"batch_indices": int32(1), "positions": int32(0)},
            r"batch_indices is 1; it should be below 1 \(the number of requests, by indptr\)$",
        ),
        (
            TWO_PAGES | {"batch_indices": int32(0), "positions": int32(8)},
            r"positions is 8; it should be below 8 \(.*list another page\)$",
        ),
        (
            TWO_PAGES | {"last_page_len": int32(5), "append_indptr": int32(0, 1)},
            r"last_page_len is 5; it should be below 5 \(1 to page_size, the new tokens counted\)$",
        ),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_a_refused_row_says_what_its_limit_is(operands: dict[str, Any], says: str) -> None:
    cache = np.zeros((3, 1, 4, 8), np.float16)
    if "seq_lens" in operands or "last_page_len" in operands:
        operands = operands | {"length_convention": "AFTER_APPEND"}
    with pytest.raises(bf.InvalidProblem, match=says):
        bf.append_paged_kv(np.ones((1, 1, 8), np.float16), None, cache, None, **operands, stream=None)
    assert not cache.any()
