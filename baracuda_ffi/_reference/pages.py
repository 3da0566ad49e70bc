"""Copies of pages, one by one."""

from __future__ import annotations

import numpy as np

from .._model.checks import instance
from .._model.errors import invalid_problem
from .._model.seen_values import Corruption, SeenValues
from .checks import check_arrays, check_indices, check_written, refuse_shape

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray

    Array = NDArray[Any]
    # No request, why a copy is corrupt, and what was seen.
    Corrupt = tuple[None, Corruption, SeenValues]


def copy_pages_reference(
    k_data: Array, v_data: Array | None, source: Array, destination: Array, *, guarded: bool = False
) -> list[Corrupt]:
    """Copy page ``source[i]`` to page ``destination[i]``, in place. Padding is skipped.

    Parameters
    ----------
    k_data, v_data
        NumPy arrays, views included, ``[pages, ...]``, of any types; v_data may be None.
    source, destination
        ``[n]`` arrays of any integers.
    guarded
        Skip copies that are corrupt, instead of raising.

    Returns
    -------
    list
        Guarded: the copies that are corrupt, in order: None, reason, and what was seen. Whichever of them
        runs first is the one that a guarded copy records.

    Raises
    ------
    InvalidProblem
        Not guarded: a copy that is corrupt. Either way: a page that is written and read, or written twice, of
        which there is no saying what it holds; what is no NumPy array, or of another shape. Nothing was
        written.
    """
    function = "copy_pages_reference"
    caches = _caches(function, k_data, v_data, written=True)
    pairs, corrupt = _judged(function, len(k_data), {"source": source, "destination": destination}, guarded)
    served = [(i, j) for i, j in pairs if i != j]
    written = [j for _, j in served]
    if len(set(written)) < len(written) or set(written) & {i for i, _ in served}:
        raise invalid_problem(function, "a page that is written is in the lists twice")
    for cache in caches:
        for i, j in served:
            cache[j] = cache[i]
    return corrupt


def gather_pages_reference(
    k_data: Array, v_data: Array | None, source: Array, buffer: Array, *, guarded: bool = False
) -> list[Corrupt]:
    """Copy page ``source[i]`` to row ``i`` of the buffer. Padding is skipped.

    Parameters
    ----------
    k_data, v_data, source
        As for ``copy_pages_reference``.
    buffer
        A contiguous array, ``[n or more, ...]``, whose rows have as many bytes as a page of K and of V.
    guarded
        Skip rows that are corrupt, instead of raising.

    Returns
    -------
    list
        As for ``copy_pages_reference``.

    Raises
    ------
    InvalidProblem
        Not guarded: a row that is corrupt. What is no NumPy array, or of another shape. Nothing was written.
    """
    function = "gather_pages_reference"
    caches = _caches(function, k_data, v_data, written=False)
    pairs, corrupt = _judged(function, len(k_data), {"source": source}, guarded)
    rows = _rows(function, buffer, caches, len(source), written=True)
    for i, row in pairs:
        rows[row] = _bytes_of_page(caches, i)
    return corrupt


def scatter_pages_reference(
    k_data: Array, v_data: Array | None, destination: Array, buffer: Array, *, guarded: bool = False
) -> list[Corrupt]:
    """Copy row ``i`` of the buffer to page ``destination[i]``. Padding is skipped.

    Parameters
    ----------
    k_data, v_data, destination
        As for ``copy_pages_reference``.
    buffer
        As ``gather_pages_reference`` fills it.
    guarded
        Skip rows that are corrupt, instead of raising.

    Returns
    -------
    list
        As for ``copy_pages_reference``.

    Raises
    ------
    InvalidProblem
        Not guarded: a row that is corrupt. Either way: two rows that go to one page; what is no NumPy array,
        or of another shape. Nothing was written.
    """
    function = "scatter_pages_reference"
    caches = _caches(function, k_data, v_data, written=True)
    pairs, corrupt = _judged(function, len(k_data), {"destination": destination}, guarded)
    rows = _rows(function, buffer, caches, len(destination), written=False)
    if len({j for _, j in pairs}) < len(pairs):
        raise invalid_problem(function, "two rows go to one page")
    for row, j in pairs:
        content = rows[row]
        for cache in caches:
            cache[j] = content[: cache[j].nbytes].view(cache.dtype).reshape(cache[j].shape)
            content = content[cache[j].nbytes :]
    return corrupt


def _caches(function: str, k_data: Array, v_data: Array | None, *, written: bool) -> list[Array]:
    there = {"k_data": k_data} if v_data is None else {"k_data": k_data, "v_data": v_data}
    check_arrays(function, there)
    for name, cache in there.items():
        if cache.ndim < 1 or not cache.size or len(cache) != len(k_data):
            refuse_shape(function, name, cache, "pages first, as many as k_data, and something in each")
    if written:
        check_written(function, there)
    return list(there.values())


def _rows(function: str, buffer: Array, caches: list[Array], least: int, *, written: bool) -> Array:
    """The buffer as bytes, a row for each page."""
    check_arrays(function, {"buffer": buffer})
    size = sum([cache[0].nbytes for cache in caches])
    if buffer.ndim < 2 or len(buffer) < least or buffer.nbytes != len(buffer) * size:
        refuse_shape(function, "buffer", buffer, f"{least} rows at least, of {size} bytes each")
    if not buffer.flags.c_contiguous:
        raise invalid_problem(function, "buffer is not contiguous; it should be")
    if written:
        check_written(function, {"buffer": buffer})
    return buffer.view("u1").reshape(len(buffer), size)


def _judged(
    function: str, pages: int, arrays: dict[str, Array], guarded: bool
) -> tuple[list[tuple[int, int]], list[Corrupt]]:
    """From where to where, of all that is neither padding nor corrupt. A list that is not there names rows,
    each once."""
    instance(function, "guarded", guarded, bool)
    check_indices(function, arrays)
    lists = {name: ids.tolist() for name, ids in arrays.items()}
    count, *others = {len(ids) for ids in lists.values()}
    if others:
        raise invalid_problem(
            function, f"source has {len(lists['source'])} entries; it should have as many as destination"
        )
    pairs: list[tuple[int, int]] = []
    corrupt: list[Corrupt] = []
    for i in range(count):
        named = {name: ids[i] for name, ids in lists.items()}
        if min(named.values()) < 0:
            continue
        beyond = [name for name, page in named.items() if page >= pages]
        if not beyond:
            pairs.append((named.get("source", i), named.get("destination", i)))
            continue
        name = beyond[0]
        seen = SeenValues(operand=name, row=i, seen=named[name], limit=pages, page=named[name])
        corrupt.append((None, Corruption[name.upper()], seen))
        if not guarded:
            raise invalid_problem(function, f"{name}[{i}] is {named[name]}, of {pages} pages")
    return pairs, corrupt


def _bytes_of_page(caches: list[Array], page: int) -> Array:
    return np.concatenate([np.frombuffer(cache[page].tobytes(), "u1") for cache in caches])
