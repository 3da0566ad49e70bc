"""Copies of pages, one by one."""

from __future__ import annotations

from .._model.enums import Corruption
from .._model.seen_values import SeenValues

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
    ValueError
        Not guarded: a copy that is corrupt. Either way: a page that is written and read, or written twice, of
        which there is no saying what it holds. Nothing was written.
    """
    pairs, corrupt = _judged(len(k_data), source, destination, guarded)
    served = [(i, j) for i, j in pairs if i != j]
    written = [j for _, j in served]
    if len(set(written)) < len(written) or set(written) & {i for i, _ in served}:
        raise ValueError("a page that is written is in the lists twice")
    for cache in (k_data, v_data):
        if cache is not None:
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
    ValueError
        Not guarded: a row that is corrupt. Nothing was written.
    """
    pairs, corrupt = _judged(len(k_data), source, None, guarded)
    for i, row in pairs:
        buffer.view("u1").reshape(len(buffer), -1)[row] = _bytes_of_page(k_data, v_data, i)
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
    ValueError
        Not guarded: a row that is corrupt. Either way: two rows that go to one page. Nothing was written.
    """
    pairs, corrupt = _judged(len(k_data), None, destination, guarded)
    if len({j for _, j in pairs}) < len(pairs):
        raise ValueError("two rows go to one page")
    for row, j in pairs:
        content = buffer.view("u1").reshape(len(buffer), -1)[row]
        for cache in (k_data, v_data):
            if cache is not None:
                cache[j] = content[: cache[j].nbytes].view(cache.dtype).reshape(cache[j].shape)
                content = content[cache[j].nbytes :]
    return corrupt


def _judged(
    pages: int, source: Array | None, destination: Array | None, guarded: bool
) -> tuple[list[tuple[int, int]], list[Corrupt]]:
    """From where to where, of all that is neither padding nor corrupt. A list that is None names rows, each
    once."""
    lists = {
        name: ids.tolist()
        for name, ids in (("source", source), ("destination", destination))
        if ids is not None
    }
    count = len(next(iter(lists.values())))
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
            raise ValueError(f"{name}[{i}] is {named[name]}, of {pages} pages")
    return pairs, corrupt


def _bytes_of_page(k_data: Array, v_data: Array | None, page: int) -> Array:
    from numpy import concatenate, frombuffer

    parts = [frombuffer(cache[page].tobytes(), "u1") for cache in (k_data, v_data) if cache is not None]
    return concatenate(parts)
