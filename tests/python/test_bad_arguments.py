"""Whatever the arguments of a public function are, it works or raises of `BaracudaError`'s family: no
IndexError, AttributeError or bare ValueError of what is inside. By the thousand, drawn from a seed."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import baracuda_ffi as bf
from baracuda_ffi import reference
from support.devices.bits import Array

CALLS = 1500
HEADS, PAGE_SIZE, PAGES, WIDTH = 2, 4, 6, 64

Drawn = dict[str, Any]


class Raises:
    """Nothing may be asked of it."""

    def __getattr__(self, name: str) -> object:
        raise RuntimeError(name)

    def __index__(self) -> int:
        raise RuntimeError


class Exporter:
    """Of something that is no tensor."""

    @property
    def __cuda_array_interface__(self) -> object:
        return {"shape": "wide"}

    def __dlpack__(self, **options: object) -> object:
        return self

    def __dlpack_device__(self) -> tuple[int, int]:
        return 1, 0


ODD: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 3, 2**31, 2**63, -(2**63), 2**64, 2**100, 1.5, float("nan"), 1j),
    *("", "HND", "AFTER_APPEND", b"x", (), [], {}, set(), [1, 2], (1,), [(0, 1)], [[0], None], range(3)),
    *(
        object(),
        Raises(),
        Exporter(),
        slice(1),
        len,
        int,
        ...,
        iter([]),
        np.int32,
        np.int64(3),
        np.float32(1),
    ),
    *(np.array(3), np.array([]), np.zeros((0, 3)), np.array(["a"]), np.array([None]), np.zeros(3, complex)),
    *(
        np.zeros(3, bool),
        np.zeros(3, [("a", "i4")]),
        np.zeros(3, "M8[s]"),
        bf.KvLayout.NHD,
        bf.Workspace.NONE,
    ),
    *(bf.ElementKind.F16, bf.Transform.FP8, bf.LengthConvention.AFTER_APPEND, bf.Addressing.SLOTS),
)
TYPES = ("i1", "u1", "i2", "i4", "u4", "i8", "u8", "f2", "f4", "f8", "c8", "?", "O", "S2", "M8[s]")


def turned(array: Array, rng: random.Random) -> Array:
    """The same array, nearly."""
    ways: tuple[Callable[[], Any], ...] = (
        lambda: array.astype(rng.choice(TYPES)),
        lambda: array[None],
        lambda: array[0],
        lambda: array[..., : rng.randrange(3)],
        lambda: array[rng.randrange(3) :],
        lambda: np.concatenate([array, array]),
        lambda: array[..., ::-1],
        lambda: array.reshape(-1),
        lambda: np.broadcast_to(array[:1], array.shape),
        lambda: np.swapaxes(array, 0, -1),
        lambda: np.where(np.arange(array.size) == 1, rng.choice((-1, 7, 2**31 - 1)), array.reshape(-1)),
    )
    try:
        made: Array = rng.choice(ways)()
    except (IndexError, OverflowError, TypeError, ValueError):  # NumPy makes none of it
        return array
    return made


def odd(right: object, rng: random.Random) -> Any:
    return turned(right, rng) if isinstance(right, np.ndarray) and rng.random() < 0.75 else rng.choice(ODD)


def spoiled(right: Drawn, rng: random.Random, *options: str) -> Drawn:
    """With a few of them, or of the options, odd."""
    drawn = dict(right)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        name = rng.choice([*right, *options])
        drawn[name] = odd(drawn.get(name), rng)
    return drawn


def int32(*values: int) -> Array:
    return np.array(values, np.int32)


def places(rng: random.Random, n: int) -> Drawn:
    listed: Drawn = {"indices": int32(*range(n)), "indptr": int32(*range(n + 1))}
    table: Drawn = {"block_table": int32(*range(n)).reshape(n, 1)}
    seq_lens: Drawn = {"seq_lens": int32(*[1] * n), "length_convention": "AFTER_APPEND"}
    newest: Drawn = {"append_indptr": int32(*range(n + 1))}
    ways: tuple[Drawn, ...] = (
        listed | {"last_page_len": int32(*[0] * n)},
        listed | {"last_page_len": int32(*[1] * n)} | newest,
        listed | seq_lens,
        listed | seq_lens | newest,
        table | seq_lens,
        table | seq_lens | newest,
        listed | {"batch_indices": int32(*range(n)), "positions": int32(*[0] * n)},
        {"slot_mapping": int32(*range(n))},
    )
    return rng.choice(ways)


def append(rng: random.Random) -> Drawn:
    n = rng.choice((1, 2, 3))

    def caches(width: int, dtype: Any) -> Drawn:
        shape = (PAGES, HEADS, PAGE_SIZE, width)
        return {"k_data": np.zeros(shape, dtype), "v_data": np.zeros(shape, dtype)}

    def both(name: str, shape: tuple[int, ...], dtype: Any = np.float32) -> Drawn:
        return {f"k_{name}": np.ones(shape, dtype), f"v_{name}": np.ones(shape, dtype)}

    rows = {name: np.ones((n, HEADS, WIDTH), np.float16) for name in ("key", "value")}
    a_scale_a_row = both("scales", (PAGES, PAGE_SIZE, HEADS))
    a_scale_a_block = both("scales", (PAGES, HEADS, PAGE_SIZE, WIDTH // 16), np.uint8)
    mla = {"key": np.ones((n, 512), np.float16), "value": np.ones((n, 64), np.float16)}
    ways: tuple[Drawn, ...] = (
        rows | caches(WIDTH, np.float16),
        rows | caches(WIDTH, np.float16) | {"value": None, "v_data": None},
        rows | caches(WIDTH, np.uint8) | both("scale", (1,)) | {"element": "fp8_e4m3"},
        rows | caches(WIDTH, np.int8) | a_scale_a_row,
        rows | caches(WIDTH // 2, np.uint8) | both("scale", (1,)) | a_scale_a_block | {"transform": "NVFP4"},
        mla
        | {"k_data": np.zeros((PAGES, PAGE_SIZE, 656), np.uint8), "v_data": None, "transform": "FP8_DS_MLA"},
    )
    return rng.choice(ways) | places(rng, n)


OPTIONS = (
    "layout",
    "length_convention",
    "guarded",
    "skip_slot",
    "transform",
    "element",
    "k_scale",
    "k_scales",
)


def one_call(rng: random.Random) -> None:
    stream = None if rng.random() < 0.9 else rng.choice(ODD)
    bf.append_paged_kv(**spoiled(append(rng), rng, *OPTIONS, "backend", "error_record"), stream=stream)


def by_reference(rng: random.Random) -> None:
    reference.append_paged_kv_reference(**spoiled(append(rng), rng, *OPTIONS, "source_element"))


def a_plan(rng: random.Random) -> None:
    sizes: Drawn = {"page_size": 4, "num_total_pages": 6, "num_kv_heads": 2, "head_dim": 64, "element": "f16"}
    wanted: Drawn = {"batch_size": None}
    which = rng.randrange(6)
    chosen: Drawn = {"guarded": False}
    if which == 0:
        sizes = spoiled(sizes, rng, "layout", "value_head_dim")
    if which == 1:
        wanted = spoiled(wanted, rng, "length_convention", "addressing", "table", "lengths", "transform")
    if which == 4:
        chosen = spoiled(chosen, rng, "prefer_backend")
    cache = bf.PagedKvCacheDescriptor(**sizes)
    desc = bf.PagedKvAppendDescriptor(paged_kv=cache, **wanted)
    plan = bf.PagedKvAppendPlan.select(None, desc, bf.PlanPreference(**chosen))
    n = rng.choice((1, 2))
    right: Drawn = {name: np.ones((n, HEADS, WIDTH), np.float16) for name in ("key", "value")}
    right |= {f"{part}_data": np.zeros((PAGES, HEADS, PAGE_SIZE, WIDTH), np.float16) for part in "kv"}
    right |= {"indices": int32(*range(n)), "indptr": int32(*range(n + 1)), "last_page_len": int32(*[0] * n)}
    if which == 2:
        launch = plan.bind(None, bf.PagedKvAppendArgs(**right))
        name = rng.choice([*right])
        launch.rebind(**{name: odd(right[name], rng)})
        launch.on(odd(None, rng))()
    operands = spoiled(right, rng, "append_indptr", "k_scale", "kv_data") if which == 5 else right
    args: Any = bf.PagedKvAppendArgs(**operands)
    plan.can_implement(args if rng.random() < 0.9 else rng.choice(ODD))
    plan.run(odd(None, rng) if which == 3 else None, bf.Workspace.NONE, args)


def of_a_table(rng: random.Random) -> None:
    extents: Drawn = {"page_size": PAGE_SIZE, "num_total_pages": PAGES, "stream": None}
    drawn = spoiled(places(rng, rng.choice((1, 2))) | extents, rng, "num_rows", "skip_slot", "guarded")
    bf.validate_page_table(**drawn)


def page_copy(rng: random.Random, kind: str) -> Drawn:
    k_data = np.zeros((PAGES, HEADS, PAGE_SIZE, 8), rng.choice(("f2", "u1", "f4")))
    right: Drawn = {"k_data": k_data, "v_data": rng.choice((None, k_data.copy()))}
    size = k_data[0].nbytes * (1 if right["v_data"] is None else 2)
    lists = {"source": int32(1, 2), "destination": int32(3, 4), "buffer": np.zeros((3, size), np.uint8)}
    names = {
        "copy": ("source", "destination"),
        "gather": ("source", "buffer"),
        "scatter": ("destination", "buffer"),
    }
    return spoiled(right | {name: lists[name] for name in names[kind]}, rng, "guarded")


def copies(rng: random.Random) -> None:
    kind = rng.choice(("copy", "gather", "scatter"))
    getattr(bf, f"{kind}_pages")(
        **page_copy(rng, kind), stream=None if rng.random() < 0.9 else rng.choice(ODD)
    )


def copies_by_reference(rng: random.Random) -> None:
    kind = rng.choice(("copy", "gather", "scatter"))
    getattr(reference, f"{kind}_pages_reference")(**page_copy(rng, kind))


def read_back(rng: random.Random) -> None:
    ways: tuple[Drawn, ...] = (
        {"transform": "FP8", "element": "fp8_e4m3", "scale": np.ones(HEADS, np.float32)},
        {"transform": "PER_TOKEN_HEAD", "element": "i8", "scales": np.ones((6, 4, 2), np.float32)},
        {
            "transform": "NVFP4",
            "scale": np.ones(1, np.float32),
            "scales": np.ones((*(6, 2, 4), WIDTH // 8), np.uint8),
        },
    )
    cache = np.zeros((PAGES, HEADS, PAGE_SIZE, WIDTH), np.uint8)
    reference.dequantise_reference(**spoiled({"cache": cache, "layout": "HND"} | rng.choice(ways), rng))


def blocks(rng: random.Random) -> None:
    manager = bf.BlockManager(*[4 if rng.random() < 0.9 else rng.choice(ODD) for _ in range(2)])
    first, other = manager.add(), manager.add([1, 2, 3] if rng.random() < 0.9 else rng.choice(ODD))
    manager.grow(first, 5)
    for _ in range(4):
        sequence = rng.choice((first, other, rng.choice(ODD)))
        name = rng.choice(("fork", "free", "length", "pages", "preempt", "resume", "grow", "commit"))
        more = [rng.choice((1, rng.choice(ODD)))] if name == "grow" else []
        getattr(manager, name)(*([] if name == "commit" else [sequence]), *more)
        manager.take_copies()


def tables(rng: random.Random) -> None:
    manager = bf.BlockManager(PAGES, PAGE_SIZE)
    sequences = [manager.add(), manager.add()]
    for sequence in sequences:
        manager.grow(sequence, 5)
    table = bf.PageTable(*[4 if rng.random() < 0.9 else rng.choice(ODD) for _ in range(3)], max_rows=20)

    def rather(value: object) -> Any:
        return value if rng.random() < 0.9 else rng.choice((rng.choice(ODD), [rng.choice(ODD)]))

    if rng.random() < 0.7:
        table.update(rather(manager), rather(sequences), rather(5), copies=rather([]), stream=rather(None))
    else:
        pages, lengths = [rather([0, 1]), None], [rather(5), 0]
        table.update_pages(rather(pages), rather(lengths), rather(0), copies=rather([(0, 1)]))
    table.append_view(rather("RAGGED"), table=rather("CSR"), lengths=rather("SEQ_LENS"), padded=rather(False))
    table.attention_view(rather("CSR"), padded=rather(True))
    table.copy_view(padded=rather(True))
    table.slots(rather(0), rather(0), rather(None))


def small_things(rng: random.Random) -> None:
    if rng.random() < 0.5:
        bf.TensorView(**spoiled({"ptr": 0, "shape": (1,), "element": "f16"}, rng, "strides", "device"))
    elif rng.random() < 0.5:
        bf.ErrorRecord(rng.choice(ODD))
    else:
        try:
            bf.set_host_max_threads(rng.choice(ODD))
        finally:
            bf.set_host_max_threads(0)


@pytest.mark.filterwarnings("ignore")  # NumPy's, of casts
@pytest.mark.parametrize(
    "call",
    [
        one_call,
        by_reference,
        a_plan,
        of_a_table,
        copies,
        copies_by_reference,
        read_back,
        blocks,
        tables,
        small_things,
    ],
)
def test_nothing_else_is_raised(call: Callable[[random.Random], None]) -> None:
    came_to = Counter[str]()
    for seed in range(CALLS):
        try:
            call(random.Random(seed))
        except bf.BaracudaError:
            came_to["refused"] += 1
        except Exception as error:
            error.add_note(f"seed {seed}") if hasattr(error, "add_note") else None
            raise
        else:
            came_to["taken"] += 1
    assert came_to["refused"] > CALLS // 20
    assert came_to["taken"] > CALLS // 100
