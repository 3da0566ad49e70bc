"""The arrays of a page table, in one piece of memory."""

from __future__ import annotations

import numpy as np

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from numpy.typing import NDArray

    Array = NDArray[Any]

_WORD = 4  # bytes: the unit that changes are found in
_ALIGNMENT = 16

# Each with an entry for every request, or one more, or for every row or page. What changes at every step is
# together, so that it is copied at once.
_FIELDS = (
    ("append_indptr", "i4", "requests + 1"),
    ("indptr", "i4", "requests + 1"),
    ("last_page_len", "i4", "requests"),
    ("last_page_len before", "i4", "requests"),
    ("seq_lens", "i4", "requests"),
    ("seq_lens before", "i4", "requests"),
    ("source", "i4", "requests"),
    ("destination", "i4", "requests"),
    ("batch_indices", "i4", "rows"),
    ("positions", "i4", "rows"),
    ("slot_mapping", "i8", "rows"),
    ("indices", "i4", "pages"),
    ("block_table", "i4", "table"),
)
_FIRST_OF_ROWS = "batch_indices"


class Arena:
    """``arrays`` by their names, each a window of ``words``; ``offsets`` in bytes. The first ``num_lengths``
    words are those with an entry a request. What has no entries yet is padding: -1 where a row, a slot or a
    page to copy is meant, else 0."""

    __slots__ = ("arrays", "num_lengths", "offsets", "words")

    def __init__(self, max_requests: int, max_pages: int, max_rows: int) -> None:
        shapes: dict[str, tuple[int, ...]] = {
            "requests": (max_requests,),
            "requests + 1": (max_requests + 1,),
            "rows": (max_rows,),
            "pages": (max_requests * max_pages,),
            "table": (max_requests, max_pages),
        }
        self.offsets: dict[str, int] = {}
        end = 0
        for name, kind, of in _FIELDS:
            self.offsets[name] = end
            end += -(-int(np.prod(shapes[of])) * int(kind[1]) // _ALIGNMENT) * _ALIGNMENT
        raw = np.zeros(end + _ALIGNMENT, np.uint8)
        first = -raw.ctypes.data % _ALIGNMENT
        raw = raw[first : first + end]
        self.words: Array = raw.view(np.int32)
        self.arrays: dict[str, Array] = {}
        for name, kind, of in _FIELDS:
            begin, count = self.offsets[name], int(np.prod(shapes[of]))
            self.arrays[name] = raw[begin : begin + count * int(kind[1])].view(kind).reshape(shapes[of])
        for name in ("source", "destination", "batch_indices", "slot_mapping"):
            self.arrays[name].fill(-1)
        self.num_lengths = self.word_of(_FIRST_OF_ROWS)

    def word_of(self, name: str) -> int:
        return self.offsets[name] // _WORD


def runs(changed: Array, most_between: int) -> Iterator[tuple[int, int]]:
    """Where to begin and end, to have every one of some numbers in order; what lies between two of them is
    taken along where it is no more than that."""
    if not changed.size:
        return
    apart = np.flatnonzero(np.diff(changed) > most_between)
    begins = changed[np.concatenate(([0], apart + 1))]
    ends = changed[np.concatenate((apart, [changed.size - 1]))] + 1
    yield from zip(begins.tolist(), ends.tolist(), strict=True)
