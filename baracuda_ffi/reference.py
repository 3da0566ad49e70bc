"""The oracle: the append, and copies of pages, in NumPy, by plain loops, to be right by inspection and not to
be fast.

Everything else in the package, on every backend, is compared with this bit for bit.
"""

from __future__ import annotations

import numpy as np

from ._append.addressing import PLACE_NAMES, check_entries, set_of
from ._append.scales import GIVEN, NONE, WRITTEN, kind_for, kind_of, transform_of
from ._model.checks import INT64_MAX, choice, instance, integer
from ._model.elements import element_kind
from ._model.enums import ElementKind, KvLayout, LengthConvention, Transform
from ._model.errors import invalid_problem
from ._reference import checks, formats, places
from ._reference.pages import copy_pages_reference, gather_pages_reference, scatter_pages_reference

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Literal

    from numpy.typing import NDArray

    from ._model.elements import ElementLike
    from ._model.seen_values import Corruption, SeenValues

    Array = NDArray[Any]
    AnyTransform = Transform | Literal["COPY", "FP8", "PER_TOKEN_HEAD", "FP8_DS_MLA", "NVFP4"]
    # Rows and where they go, of what dimensions that is.
    Written = tuple[Array, Array, KvLayout]
    # The request (None where the addressing knows none), why its row is corrupt, and what was seen.
    Corrupt = tuple[int | None, Corruption, SeenValues]

__all__ = [
    "append_paged_kv_reference",
    "copy_pages_reference",
    "dequantise_reference",
    "gather_pages_reference",
    "scatter_pages_reference",
]

_ME = "append_paged_kv_reference"
_READ = "dequantise_reference"


def append_paged_kv_reference(
    key: Array,
    value: Array | None,
    k_data: Array,
    v_data: Array | None,
    indices: Array | None = None,
    indptr: Array | None = None,
    last_page_len: Array | None = None,
    *,
    append_indptr: Array | None = None,
    batch_indices: Array | None = None,
    positions: Array | None = None,
    slot_mapping: Array | None = None,
    block_table: Array | None = None,
    seq_lens: Array | None = None,
    layout: KvLayout | Literal["HND", "NHD"] = KvLayout.HND,
    length_convention: LengthConvention | Literal["BEFORE_APPEND", "AFTER_APPEND"] | None = None,
    guarded: bool = False,
    skip_slot: int | None = None,
    transform: AnyTransform | None = None,
    element: ElementLike | None = None,
    source_element: ElementLike | None = None,
    k_scale: Array | None = None,
    v_scale: Array | None = None,
    k_scales: Array | None = None,
    v_scales: Array | None = None,
) -> list[Corrupt]:
    """Write each row of key and value to its place in k_data and v_data, in place. Padding is skipped.

    Parameters
    ----------
    key, value, k_data, v_data
        NumPy arrays, views included, of shapes as for ``append_paged_kv``. A copy takes any one element type:
        rows are assigned whole, so bits are copied. Of two rows with one place the later one stays.
    indices, indptr, last_page_len, append_indptr, batch_indices, positions, slot_mapping, block_table,
    seq_lens
        One of the sets that ``append_paged_kv`` takes, as NumPy arrays of any integers.
    layout, length_convention
        As for ``append_paged_kv``.
    guarded
        Skip rows that are corrupt, instead of raising.
    skip_slot
        As for ``append_paged_kv``.
    transform
        As for ``append_paged_kv``.
    element
        What FP8 and PER_TOKEN_HEAD write, where the dtype of k_data does not say it: NumPy has no fp8, whose
        bytes are as good as uint8.
    source_element
        The type of key and value, where their dtype does not say it: NumPy has no bfloat16, whose bits are as
        good as uint16.
    k_scale, v_scale, k_scales, v_scales
        As for ``append_paged_kv``: float32 arrays, and for NVFP4's scales of blocks any type of one byte.

    Returns
    -------
    list
        Guarded: the rows that are corrupt and not padding, in order: request, reason, and what was seen.
        Whichever of them runs first is the one that a guarded append records. Where append_indptr is out of
        order backends need not agree with this, nor with each other.

    Raises
    ------
    InvalidProblem
        Not guarded: a row that is corrupt, or append_indptr out of order. What is no NumPy array; operands
        that together say no place; a convention that has to be stated, or that does not exist;
        scales that the transform does not take, or that are missing; an element that is not said.
    """
    layout = choice(_ME, "layout", layout, KvLayout)
    instance(_ME, "guarded", guarded, bool)
    if skip_slot is not None:
        skip_slot = integer(_ME, "skip_slot", skip_slot, 0, INT64_MAX, "a slot, or None")
    kind = kind_of(_ME, value, v_data, (k_scale, v_scale, k_scales, v_scales))
    if kind != NONE or transform is not None:
        transform = transform_of(_ME, transform, kind, has_value=value is not None)
    operands = (
        indices,
        indptr,
        last_page_len,
        append_indptr,
        batch_indices,
        positions,
        slot_mapping,
        block_table,
        seq_lens,
    )
    placed_by = set_of(_ME, operands)
    what = Transform.COPY if transform is None else transform
    rows = {"key": key} | _there(value=value)
    written_to = {"k_data": k_data} | _there(v_data=v_data, k_scales=k_scales, v_scales=v_scales)
    arrays = rows | written_to | _there(k_scale=k_scale, v_scale=v_scale)
    saying_places = _there(**dict(zip(PLACE_NAMES, operands, strict=True)))
    checks.check_arrays(_ME, arrays)
    checks.check_indices(_ME, saying_places)
    checks.check_rows_and_caches(_ME, what, layout, arrays)
    check_entries(_ME, {name: array.shape for name, array in saying_places.items()})
    checks.check_rows(_ME, saying_places, rows)
    checks.check_written(_ME, written_to)
    convention = placed_by.convention(_ME, length_convention)
    in_pages_of = 2 if k_data.ndim == 4 and layout is KvLayout.HND else 1
    placed = places.places_of(
        *operands,
        num_rows=len(key),
        num_total_pages=k_data.shape[0],
        page_size=k_data.shape[in_pages_of],
        counts_new=convention is LengthConvention.AFTER_APPEND,
        skip_slot=skip_slot,
    )
    corrupt = [found.corrupt for found in placed if isinstance(found, places.Wrong)]
    if not guarded:
        _refuse(corrupt, append_indptr if placed else None)
    written = _written(what, layout, arrays, source_element, element)
    for row, found in enumerate(placed):
        if isinstance(found, tuple):
            page, slot = found
            for source, cache, order in written:
                _write(source, cache, row, page, slot, order)
    return corrupt


def _refuse(corrupt: list[Corrupt], append_indptr: Array | None) -> None:
    if append_indptr is not None:
        ends = append_indptr.tolist()
        if ends[0] != 0 or sorted(ends) != ends:
            raise invalid_problem(_ME, "append_indptr does not increase from 0")
    if corrupt:
        request, reason, seen = corrupt[0]
        whose = f"row {seen.row}" if request is None else f"row {seen.row}, of request {request}"
        raise invalid_problem(
            _ME, f"{whose}: {seen.operand} is {seen.seen} ({reason.name}, limit {seen.limit})"
        )


def _written(
    transform: Transform,
    layout: KvLayout,
    arrays: dict[str, Array],
    source_element: ElementLike | None,
    element: ElementLike | None,
) -> list[Written]:
    """What each part writes, and where."""
    key, k_data, value = arrays["key"], arrays["k_data"], arrays.get("value")
    parts = [("k", key)] if value is None or "v_data" not in arrays else [("k", key), ("v", value)]
    if transform is Transform.COPY:
        return [(rows, arrays[f"{part}_data"], layout) for part, rows in parts]
    source = _element_of(_ME, "source_element", source_element, key, _SOURCES.get(transform, _FLOATS))
    if transform is Transform.FP8_DS_MLA:
        return [_ds_mla(key, value, k_data, source)]
    target = _element_of(_ME, "element", element, k_data, _TARGETS[transform])
    written = []
    for part, rows in parts:
        scale, scales = arrays.get(f"{part}_scale"), arrays.get(f"{part}_scales")
        written += _quantised(transform, rows, arrays[f"{part}_data"], scale, scales, layout, source, target)
    return written


_HALVES = (ElementKind.F16, ElementKind.BF16)
_FLOATS = (*_HALVES, ElementKind.F32)
_SOURCES = {Transform.FP8_DS_MLA: _HALVES}
_TARGETS = {
    Transform.FP8: (ElementKind.FP8_E4M3, ElementKind.FP8_E5M2),
    Transform.PER_TOKEN_HEAD: (ElementKind.FP8_E4M3, ElementKind.I8),
    Transform.NVFP4: (ElementKind.U8,),
}


def _there(**operands: Array | None) -> dict[str, Array]:
    return {name: operand for name, operand in operands.items() if operand is not None}


def _element_of(
    function: str, name: str, stated: ElementLike | None, array: Array, among: tuple[ElementKind, ...]
) -> ElementKind:
    found = element_kind(function, name, array.dtype if stated is None else stated)
    if found not in among:
        raise invalid_problem(
            function,
            f"{name} is {found.name}; it should be {' or '.join([kind.name for kind in among])}, and stated "
            "where the array's type is another",
        )
    return found


def _quantised(
    transform: Transform,
    rows: Array,
    cache: Array,
    scale: Array | None,
    scales: Array | None,
    layout: KvLayout,
    source: ElementKind,
    element: ElementKind,
) -> list[Written]:
    """What a part writes, and where."""
    numbers = formats.widened(rows, source)
    # Of each head, or of all.
    given = None if scale is None else scale.astype(np.float32).reshape(-1, 1)
    if transform is Transform.FP8:
        assert given is not None
        return [(formats.quantised_by(numbers, given, element), _bytes(cache), layout)]
    assert scales is not None
    if transform is Transform.PER_TOKEN_HEAD:
        codes, found = formats.quantised_by_row(numbers, element)
        # Whatever the caches' layout, [pages, P, H].
        return [(codes, _bytes(cache), layout), (found[..., None], scales[..., None], KvLayout.NHD)]
    assert given is not None
    codes, blocks = formats.nvfp4_rows(numbers, given)
    return [(codes, _bytes(cache), layout), (blocks, _bytes(scales), layout)]


def _ds_mla(ckv: Array, kpe: Array | None, cache: Array, source: ElementKind) -> Written:
    count = len(ckv) if kpe is None else min(len(ckv), len(kpe))
    numbers = formats.widened(ckv[:count], source).reshape(count, formats.RANK)
    rope = None if kpe is None else kpe[:count].view(np.uint16).reshape(count, formats.ROPE)
    rows = formats.ds_mla_rows(numbers, rope)
    return rows[:, None, :], _bytes(cache), KvLayout.NHD


def _bytes(cache: Array) -> Array:
    return cache.view(np.uint8)


def dequantise_reference(
    cache: Array,
    transform: AnyTransform,
    *,
    element: ElementLike | None = None,
    scale: Array | None = None,
    scales: Array | None = None,
    layout: KvLayout | Literal["HND", "NHD"] = KvLayout.HND,
) -> NDArray[np.float32]:
    """What a whole cache stands for, in float32.

    Parameters
    ----------
    cache
        k_data or v_data, of the shape that ``append_paged_kv`` takes.
    transform
        What it was written by, not ``COPY``; also by its name.
    element
        FP8, PER_TOKEN_HEAD: what the cache holds, where its dtype does not say it. FP8_DS_MLA: what kpe's
        elements are, F16 or BF16.
    scale, scales
        Those of its part that the transform takes.
    layout
        As for ``append_paged_kv``.

    Returns
    -------
    numpy.ndarray
        Float32 of the cache's shape, with as many elements a row as its source had; for FP8_DS_MLA 576 of
        them, ckv's and then kpe's. FP8: ``code * scale``; PER_TOKEN_HEAD: ``code * scale`` of its row; NVFP4:
        ``code * block scale * scale``.

    Raises
    ------
    InvalidProblem
        ``COPY``; a scale that is missing, or that the transform does not take; an element that is not said.
    """
    transform = choice(_READ, "transform", transform, Transform)
    layout = choice(_READ, "layout", layout, KvLayout)
    if transform is Transform.COPY:
        raise invalid_problem(
            _READ, "transform is COPY, which quantises nothing; the cache is what it stands for"
        )
    taken = kind_for(transform, has_value=False)
    for name, given, wanted in (("scale", scale, taken & GIVEN), ("scales", scales, taken & WRITTEN)):
        if given is None and wanted:
            raise invalid_problem(_READ, f"{name} is None; transform {transform.name} wants it")
        if given is not None and not wanted:
            raise invalid_problem(_READ, f"{name} is given; transform {transform.name} takes none")
    checks.check_arrays(_READ, {"cache": cache} | _there(scale=scale, scales=scales))
    checks.check_cache(_READ, transform, cache)
    codes = _bytes(cache)
    if transform is Transform.FP8_DS_MLA:
        return formats.ds_mla_numbers(codes, _element_of(_READ, "element", element, cache, _HALVES))
    # Those of heads go along the dimension of heads.
    heads_first = cache.ndim == 4 and layout is KvLayout.HND
    of_place = _by_place(cache, layout).shape[:-1]
    if scale is not None:
        checks.check_scale(_READ, "scale", scale, 1 if cache.ndim == 3 else of_place[2])
    if scales is not None:
        checks.check_scales(_READ, transform, "scales", scales, of_place, cache)
    given = None
    if scale is not None:
        given = scale.astype(np.float32).reshape((-1, 1, 1) if heads_first else (-1, 1))
    if transform is Transform.NVFP4:
        assert given is not None
        assert scales is not None
        return formats.nvfp4_numbers(codes, _bytes(scales), given)
    held = formats.numbers_of(codes, _element_of(_READ, "element", element, cache, _TARGETS[transform]))
    if transform is Transform.FP8:
        assert given is not None
        return held * given
    assert scales is not None
    of_rows = scales.astype(np.float32)
    return held * (of_rows.swapaxes(1, 2) if heads_first else of_rows)[..., None]


def _by_place(cache: Array, layout: KvLayout) -> Array:
    """As [pages, page_size, heads, width], or without heads as it is."""
    return cache.swapaxes(1, 2) if cache.ndim == 4 and layout is KvLayout.HND else cache


def _write(rows: Array, cache: Array, row: int, page: int, slot: int, layout: KvLayout) -> None:
    if cache.ndim == 3:  # no head dimension; rows may still have one head
        cache[page, slot, :] = rows[row].reshape(-1)
        return
    for h in range(rows.shape[1]):
        if layout is KvLayout.HND:
            cache[page, h, slot, :] = rows[row, h, :]
        else:
            cache[page, slot, h, :] = rows[row, h, :]
