"""`append_paged_kv`, called again: from the second or third time on the library knows what a call says, and
writes what it wrote at first."""

from __future__ import annotations

import sys
import weakref
from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np
import pytest

import baracuda_ffi as bf
from baracuda_ffi._append import one_call
from baracuda_ffi._native.by_name import ARGUMENTS, NOT_GIVEN
from support.c_abi import abi
from support.calls.operands import NAMES
from support.calls.streams import TorchStream
from support.devices.bits import Array

OPERANDS = (*abi.OPERANDS, "kv_data")

PAGES, PAGE_SIZE, HEADS, WIDTH = 8, 4, 2, 32
ROWS = 3

pytestmark = pytest.mark.skipif(
    sys.implementation.name != "cpython", reason="needs the built-in functions of CPython"
)

PLACES: dict[str, dict[str, Any]] = {
    "last_page": {"indices": [1, 2, 5], "indptr": [0, 1, 2, 3], "last_page_len": [1, 2, 3]},
    "seq_lens": {"indices": [1, 2, 5], "indptr": [0, 1, 2, 3], "seq_lens": [1, 2, 3]},
    "dense": {"block_table": [[1], [2], [5]], "seq_lens": [1, 2, 3]},
    "ragged": {
        "indices": [1, 2, 5],
        "indptr": [0, 1, 2, 3],
        "last_page_len": [2, 2, 3],
        "append_indptr": [0, 2, 2, 3],
    },
    "positions": {
        "indices": [1, 2, 5],
        "indptr": [0, 1, 2, 3],
        "batch_indices": [0, 1, 2],
        "positions": [1, 2, 3],
    },
    "slots": {"slot_mapping": [5, 9, 22]},
}
CONVENTIONS = (None, "AFTER_APPEND", bf.LengthConvention.AFTER_APPEND)
HOW: list[dict[str, Any]] = [
    {},
    {"layout": "NHD"},
    {"layout": bf.KvLayout.NHD, "guarded": True},
    {"guarded": True},
    {"guarded": False, "layout": bf.KvLayout.HND},
    {"transform": "COPY"},
    {"backend": bf.BackendKind.HOST},
]
WHAT = ("copy", "key alone", "kv_data", "fp8", "fp8 key", "per_token_head", "fp8 stated")


def call(places: str, how: dict[str, Any], what: str, seed: int) -> tuple[dict[str, Any], list[Array]]:
    """Arguments with new arrays of new numbers, and those that are written."""
    rng = np.random.default_rng(seed)
    rows = [rng.standard_normal((ROWS, HEADS, WIDTH)).astype(np.float16) for _ in range(2)]
    shape = (PAGES, HEADS, PAGE_SIZE, WIDTH)
    if "NHD" in str(getattr(how.get("layout"), "name", how.get("layout"))):
        shape = (PAGES, PAGE_SIZE, HEADS, WIDTH)
    is_fp8 = "fp8" in what or "per" in what
    caches = [np.full(shape, 7, np.uint8 if is_fp8 else np.float16) for _ in range(2)]
    given: dict[str, Any] = {"key": rows[0], "value": rows[1], "k_data": caches[0], "v_data": caches[1]}
    given |= {name: np.array(entries, np.int32) for name, entries in PLACES[places].items()}
    given |= how | {"stream": None}
    written = caches
    if what == "kv_data":
        del given["k_data"], given["v_data"]
        given["kv_data"] = np.stack(caches, axis=1)
        written = [given["kv_data"]]
    if what in ("key alone", "fp8 key"):
        del given["value"], given["v_data"]
        written = caches[:1]
    if is_fp8:
        given["element"] = "FP8_E4M3"
    parts = ("k",) if what == "fp8 key" else ("k", "v")
    if "fp8" in what:
        given |= {f"{part}_scale": np.float32(rng.random(1) + 0.5) for part in parts}
    if what == "fp8 stated":
        given["transform"] = "FP8"
    if what == "per_token_head":
        given |= {f"{part}_scales": np.zeros((PAGES, PAGE_SIZE, HEADS), np.float32) for part in parts}
        written = [*written, given["k_scales"], given["v_scales"]]
    return given, written


def each_call() -> Iterator[tuple[str, dict[str, Any], str]]:
    for places, convention, how, what in product(PLACES, CONVENTIONS, HOW, WHAT):
        if "transform" in how and what not in ("copy", "key alone", "kv_data"):
            continue
        if places == "ragged" and convention is None and "stated" in what:
            continue
        yield places, how | ({} if convention is None else {"length_convention": convention}), what


def nobody(*operands: Any, **named: Any) -> None:
    raise AssertionError("the library does not know this call")


@pytest.fixture
def afresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(one_call, "known", ())


def declared() -> Any:
    return bf.append_paged_kv.__wrapped__  # type: ignore[attr-defined]


def call_by_the_library_alone(given: dict[str, Any]) -> int:
    opened = one_call.native_library.library()
    return opened.append_known(one_call.known, *[given.get(name, NOT_GIVEN[name]) for name in ARGUMENTS])


@pytest.mark.usefixtures("afresh")
def test_what_is_known_writes_what_a_first_call_does() -> None:
    count = 0
    for places, how, what in each_call():
        bf.append_paged_kv(**call(places, how, what, seed=0)[0])  # now it is known
        given, written = call(places, how, what, seed=1)
        assert call_by_the_library_alone(given) == 0, (places, how, what)
        again, expected = call(places, how, what, seed=1)
        untouched = [array.copy() for array in expected]
        declared()(**again)
        assert any((a != b).any() for a, b in zip(expected, untouched, strict=True))
        for one, other in zip(written, expected, strict=True):
            assert one.tobytes() == other.tobytes(), (places, how, what)
        count += 1
        assert len(one_call.known) <= 32
    assert count > 500


@pytest.mark.usefixtures("afresh")
def test_a_refusal_is_the_same() -> None:
    """What is known is said of a call, not of its operands."""
    for what in WHAT:
        for _ in range(3):
            bf.append_paged_kv(**call("last_page", {}, what, seed=0)[0])
        for wrong in ({"indices": np.array([1, 2, 99], np.int32)}, {"key": np.zeros((3, 2, 31), np.float16)}):
            given, written = call("last_page", {}, what, seed=1)
            before = [array.copy() for array in written]
            errors = []
            for function in (declared(), bf.append_paged_kv):
                with pytest.raises(bf.BaracudaError) as caught:
                    function(**(given | wrong))
                errors.append((type(caught.value), str(caught.value), caught.value.function))
            assert errors[0] == errors[1]
            assert [array.tobytes() for array in before] == [array.tobytes() for array in written]


@pytest.mark.usefixtures("afresh")
def test_what_python_refuses_of_a_call_that_is_known() -> None:
    given, _ = call("last_page", {}, "copy", seed=0)
    for _ in range(3):
        bf.append_paged_kv(**given)
    function: Any = bf.append_paged_kv
    seven = [given[name] for name in ("key", "value", "k_data", "v_data", *PLACES["last_page"])]
    cases: list[tuple[list[Any], dict[str, Any], str]] = [
        (seven, {}, "stream"),
        (seven, {"stream": None, "key": None}, "multiple values"),
        ([*seven, None], {"stream": None}, "positional"),
        (seven, {"stream": None, "nonsense": None}, "nonsense"),
    ]
    for operands, named, says in cases:
        with pytest.raises(TypeError, match=says) as caught:
            function(*operands, **named)
        assert "append_paged_kv()" in str(caught.value)


@pytest.mark.usefixtures("afresh")
def test_names_that_are_made_anew_each_time() -> None:
    """They are another object each time, of which few are kept, beside what else is known."""
    bf.append_paged_kv(**call("slots", {}, "copy", seed=0)[0])
    bf.append_paged_kv(**call("slots", {}, "copy", seed=0)[0])
    for i in range(100):
        given, written = call("last_page", {}, "copy", seed=i)
        bf.append_paged_kv(**given, layout="".join(["H", "ND"]))
        assert (written[0] != 7).any()
    assert len(one_call.known) <= 5
    assert call_by_the_library_alone(call("slots", {}, "copy", seed=0)[0]) == 0


class Name(str):
    """Of an option, as Python takes it too: it is never interned."""


@pytest.mark.usefixtures("afresh")
def test_options_whose_names_are_strings_of_a_type_of_their_own() -> None:
    for _ in range(3):
        given, written = call("last_page", {}, "copy", seed=0)
        bf.append_paged_kv(**given, **{Name("layout"): bf.KvLayout.HND})
        assert (written[0] != 7).any()
        given, written = call("last_page", {}, "copy", seed=0)
        bf.append_paged_kv(**{Name(name): operand for name, operand in given.items()})
        assert (written[0] != 7).any()
    assert len(one_call.known) == 2


class Element:
    """Whose name is asked for each time, and may be another then."""

    def __init__(self, *names: str) -> None:
        self.names = list(names)

    @property
    def name(self) -> str:
        return self.names.pop(0)


@pytest.mark.usefixtures("afresh")
def test_an_element_that_may_be_another() -> None:
    element = Element("F16", "F16", "BF16")
    for _ in range(2):
        given, written = call("last_page", {}, "copy", seed=0)
        bf.append_paged_kv(**given, element=element)
        assert (written[0] != 7).any()
    given, written = call("last_page", {}, "copy", seed=0)
    with pytest.raises(bf.Unsupported, match="bf16"):
        bf.append_paged_kv(**given, element=element)
    assert (written[0] == 7).all()


@pytest.mark.usefixtures("afresh")
def test_dtypes_are_known() -> None:
    torch = pytest.importorskip("torch")
    ml_dtypes = pytest.importorskip("ml_dtypes")
    for element in (np.float16, np.dtype("f2"), torch.float16):
        bf.append_paged_kv(**call("last_page", {}, "copy", seed=0)[0], element=element)
        assert call_by_the_library_alone(call("last_page", {}, "copy", seed=1)[0] | {"element": element}) == 0
    for element in (ml_dtypes.float8_e4m3fn, np.dtype(ml_dtypes.float8_e4m3fn), torch.float8_e4m3fn):
        given = call("last_page", {}, "fp8", seed=0)[0] | {"element": element}
        bf.append_paged_kv(**given)
        assert call_by_the_library_alone(given) == 0


@pytest.mark.usefixtures("afresh")
def test_skip_slots_and_error_records() -> None:
    given, _ = call("slots", {}, "copy", seed=0)
    records = [bf.ErrorRecord.allocate(None) for _ in range(3)]
    for skip in (5, 9, 5, 9, 22, 10**6, 5):
        for record in (None, *records):
            again, written = call("slots", {}, "copy", seed=0)
            bf.append_paged_kv(**again, skip_slot=skip, guarded=True, error_record=record)
            page, slot = 5 // PAGE_SIZE, 5 % PAGE_SIZE
            assert (written[0][page, :, slot] == 7).all() == (skip == 5)
            assert (written[0][2, :, 1] == 7).all() == (skip == 9)
    bad = given | {"slot_mapping": np.array([5, 9, 10**6], np.int32)}
    for record in records:
        bf.append_paged_kv(**bad, guarded=True, error_record=record)
    for record in records:
        with pytest.raises(bf.CorruptPageTable):
            record.check(None)


class Recording:
    """In the library's place: it knows all calls, and says what they gave."""

    def __init__(self) -> None:
        self.given: list[dict[str, Any]] = []

    def append_known(self, known: Any, *arguments: Any) -> int:
        named = zip(ARGUMENTS, arguments, strict=True)
        self.given.append({name: value for name, value in named if value is not NOT_GIVEN[name]})
        return 0


@pytest.mark.parametrize("name", ARGUMENTS[:-1])
def test_each_argument_goes_to_its_place(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    library = Recording()
    monkeypatch.setattr(one_call.native_library, "loaded", library)
    function: Any = bf.append_paged_kv
    argument = object()
    function(**{name: argument})
    function(*[None] * 7)
    assert library.given == [{name: argument}, dict.fromkeys(NAMES)]


@pytest.mark.parametrize("name", [name for name in ARGUMENTS[:-1] if name not in ("stream", "error_record")])
def test_each_argument_of_torchs_function_goes_to_its_place(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch = pytest.importorskip("torch")
    import baracuda_ffi.torch

    library = Recording()
    monkeypatch.setattr(one_call.native_library, "loaded", library)
    function: Any = baracuda_ffi.torch.append_paged_kv
    key, argument = torch.zeros(1), object()
    function(key, **({} if name == "key" else {name: argument}))
    assert library.given == [{name: argument} | {"key": key, "stream": None}]


@pytest.mark.parametrize("name", OPERANDS)
def test_each_argument_of_a_rebinding_goes_to_its_place(name: str) -> None:
    given, _ = call("last_page", {}, "copy", seed=0)
    cache = bf.PagedKvCacheDescriptor(
        page_size=PAGE_SIZE,
        num_total_pages=PAGES,
        num_kv_heads=HEADS,
        head_dim=WIDTH,
        element=bf.ElementKind.F16,
    )
    desc = bf.PagedKvAppendDescriptor(batch_size=ROWS, paged_kv=cache)
    plan = bf.PagedKvAppendPlan.select(None, desc, bf.PlanPreference(guarded=True))
    del given["stream"]
    launch: Any = plan.bind(None, bf.PagedKvAppendArgs(**given))
    taken: list[tuple[Any, ...]] = []
    launch._rebind_objects = lambda *arguments: taken.append(arguments)
    argument = object()
    launch.rebind(**{name: argument})
    ((holder, _, *arguments),) = taken
    assert holder is launch
    of = zip(OPERANDS, arguments, strict=True)
    assert {one: value for one, value in of if value is not NOT_GIVEN[one]} == {name: argument}


class OfStreams:
    """In the library's place: it knows all calls, and takes streams by their handles alone."""

    def __init__(self, status: int) -> None:
        self.status = status
        self.calls: list[tuple[Any, bool]] = []
        self.stream: Any = lambda: None

    def append_known(self, known: Any, *arguments: Any) -> int:
        stream = arguments[ARGUMENTS.index("stream")]
        handle = stream if type(stream) is int else None
        self.calls.append((handle, self.stream() is not None))
        return -1 if handle is None else self.status

    def error(self, function: str, status: int) -> Exception:
        return LookupError(f"{function} {status}")


@pytest.mark.parametrize("status", [0, 2])
def test_a_stream_that_is_an_object_is_taken_by_its_handle(
    status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once the library knows the call; the object lives meanwhile."""
    library = OfStreams(status)
    monkeypatch.setattr(one_call.native_library, "loaded", library)
    function: Any = bf.append_paged_kv

    def new_stream() -> TorchStream:
        stream = TorchStream(4096)
        library.stream = weakref.ref(stream)
        return stream

    if status == 0:
        function(*[None] * 7, stream=new_stream())
    else:
        with pytest.raises(LookupError, match="_run 2"):
            function(*[None] * 7, stream=new_stream())
    assert library.calls == [(None, True), (4096, True)]


def test_a_stream_that_is_none_is_refused_when_its_turn_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    library = OfStreams(0)
    monkeypatch.setattr(one_call.native_library, "loaded", library)
    function: Any = bf.append_paged_kv
    with pytest.raises(bf.InvalidProblem, match="nothing says where the rows go"):
        function(np.zeros(1), None, None, stream="a stream")
    assert len(library.calls) == 1
