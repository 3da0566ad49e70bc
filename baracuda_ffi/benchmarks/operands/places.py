"""Where rows go, said in every way: decodes of one row a request, and prefills of several."""

from __future__ import annotations

from dataclasses import dataclass

from ..._append.addressing import SETS
from ..._model.enums import Addressing, LengthConvention, LengthsKind
from .problem import PAGES_A_REQUEST, random_page_table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray

    from ..._append.addressing import OperandSet
    from .problem import Problem

    Arrays = dict[str, NDArray[Any]]

DECODE = "decode"
DECODE_SEQ_LENS = "decode by seq_lens"
DECODE_DENSE = "decode by a dense table"
RAGGED = "ragged"
RAGGED_SEQ_LENS = "ragged by seq_lens"
RAGGED_DENSE = "ragged by a dense table"
POSITIONS = "positions"
SLOTS = "slots"

DECODES = (DECODE, DECODE_SEQ_LENS, DECODE_DENSE)
PREFILLS = (RAGGED, RAGGED_SEQ_LENS, RAGGED_DENSE, POSITIONS, SLOTS)
WAYS = (*DECODES, *PREFILLS)

_SETS = dict(zip(WAYS, SETS, strict=True))


def set_of_way(way: str) -> OperandSet:
    return _SETS[way]


def convention_of(way: str) -> LengthConvention:
    """What the lengths of this module count: the new tokens where there is no choice."""
    placed_by = _SETS[way]
    counts_new = placed_by.addressing is Addressing.RAGGED and placed_by.lengths is LengthsKind.LAST_PAGE_LEN
    return LengthConvention.AFTER_APPEND if counts_new else LengthConvention.BEFORE_APPEND


@dataclass(frozen=True)
class Placed:
    """Where each of a problem's rows goes (``pages`` and ``slots``, int64), and the int32 arrays that say it
    one way. ``table`` is the page table as FlashInfer takes it: its last_page_len counts the new tokens."""

    way: str
    requests: int
    says: Arrays
    table: Arrays
    pages: NDArray[Any]
    slots: NDArray[Any]


def placed(problem: Problem, way: str, requests: int, seed: int) -> Placed:
    """A decode has as many requests as rows, whatever ``requests`` is. The rows of a prefill are shared out
    evenly; each request has part of a page of older tokens. The same seed is the same places for all ways of
    a kind."""
    if way in DECODES:
        return _decode(problem, way, seed)
    return _prefill(problem, way, requests, seed)


def _decode(problem: Problem, way: str, seed: int) -> Placed:
    made = random_page_table(problem, seed)
    everything = {
        "indices": made.indices,
        "indptr": made.indptr,
        "last_page_len": made.last_page_len,
        "seq_lens": (PAGES_A_REQUEST - 1) * problem.page_size + made.last_page_len,
        "block_table": made.indices.reshape(problem.batch, PAGES_A_REQUEST),
    }
    table = {"indices": made.indices, "indptr": made.indptr, "last_page_len": made.last_page_len + 1}
    pages, slots = made.last_pages.astype("int64"), made.last_page_len.astype("int64")
    return Placed(way, problem.batch, _those_of(way, everything), table, pages, slots)


def _prefill(problem: Problem, way: str, requests: int, seed: int) -> Placed:
    import numpy as np

    rng, size = np.random.default_rng(seed), problem.page_size
    new = np.full(requests, problem.batch // requests)
    new[: problem.batch % requests] += 1
    old = rng.integers(0, size, requests)
    counts = -(-(old + new) // size)
    indptr = np.concatenate(([0], np.cumsum(counts)))
    indices = rng.permutation(problem.pages)[: indptr[-1]]
    append_indptr = np.concatenate(([0], np.cumsum(new)))
    owners = np.repeat(np.arange(requests), new)
    positions = old[owners] + np.arange(problem.batch) - append_indptr[owners]
    pages, slots = indices[indptr[owners] + positions // size], positions % size
    block_table = np.zeros((requests, int(counts.max())), np.int64)
    block_table[np.arange(block_table.shape[1]) < counts[:, None]] = indices
    table = {"indices": indices, "indptr": indptr, "last_page_len": old + new - (counts - 1) * size}
    everything = {
        **table,
        "append_indptr": append_indptr,
        "batch_indices": owners,
        "positions": positions,
        "slot_mapping": pages * size + slots,
        "seq_lens": old,
        "block_table": block_table,
    }
    narrow = {name: array.astype(np.int32) for name, array in everything.items()}
    return Placed(
        way,
        requests,
        _those_of(way, narrow),
        {name: narrow[name] for name in table},
        pages.astype("int64"),
        slots.astype("int64"),
    )


def _those_of(way: str, everything: Arrays) -> Arrays:
    return {name: everything[name] for name in _SETS[way].names}
