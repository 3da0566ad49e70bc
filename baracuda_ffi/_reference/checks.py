"""What the oracle wants of its operands, before it writes: NumPy would take some other ones for what they are
not, and raise whatever it likes for the rest."""

from __future__ import annotations

import numpy as np

from .._model.checks import instance
from .._model.enums import KvLayout, Transform
from .._model.errors import invalid_problem
from . import formats

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, NoReturn

    from numpy.typing import NDArray

    Array = NDArray[Any]

# Of rows of 16 elements that share a scale there is one for each.
_NVFP4_IN_A_BYTE = 2


def check_arrays(function: str, operands: Mapping[str, object]) -> None:
    for name, operand in operands.items():
        array = instance(function, name, operand, np.ndarray)
        if array.dtype.hasobject or array.dtype.names is not None or not array.dtype.itemsize:
            raise invalid_problem(
                function, f"{name} is of type {array.dtype}; it should be integers or numbers"
            )


def check_indices(function: str, operands: Mapping[str, object]) -> None:
    """Of what says places, or pages."""
    check_arrays(function, operands)
    for name, operand in operands.items():
        rank = 2 if name == "block_table" else 1
        if isinstance(operand, np.ndarray) and (operand.dtype.kind not in "iu" or operand.ndim != rank):
            shown = f"{name} of {operand.dtype}, rank {operand.ndim},"
            raise invalid_problem(function, f"{shown} should be integers, of rank {rank}")


def check_written(function: str, caches: dict[str, Array]) -> None:
    for name, cache in caches.items():
        if not cache.flags.writeable:
            raise invalid_problem(function, f"{name} is read-only; it should be writable")


def check_rows(function: str, places: dict[str, Array], rows: dict[str, Array]) -> None:
    """That key and value have a row at least for each that what says places has an entry for."""
    order = ("slot_mapping", "batch_indices", "last_page_len", "seq_lens")
    says_rows = "key" if "append_indptr" in places else next(name for name in order if name in places)
    count = len((places | rows)[says_rows])
    for name, of_part in rows.items():
        if len(of_part) < count:
            refuse_shape(function, name, of_part, f"at least {count} rows, as {says_rows} has {count}")


def check_rows_and_caches(
    function: str,
    transform: Transform,
    layout: KvLayout,
    arrays: dict[str, Array],
) -> None:
    """Shapes and types of key, k_data, value and v_data, and of the scales that the transform takes."""
    key, k_data = arrays["key"], arrays["k_data"]
    if key.ndim not in (2, 3):
        refuse_shape(function, "key", key, "[rows, num_kv_heads, head_dim], or [rows, head_dim]")
    heads, width = (1 if key.ndim == 2 else key.shape[1]), key.shape[-1]
    if not heads or not width:
        refuse_shape(function, "key", key, "extents of 1 and more behind the rows")
    _check_width(function, transform, "key", key)
    shape, of_place = _cache_shape(function, k_data, layout, heads)
    because = f", as key has shape {list(key.shape)}"
    _want(function, "k_data", k_data, (*shape, _cache_width(transform, width)), because)
    if "value" in arrays:
        value = arrays["value"]
        if value.ndim != key.ndim or value.shape[1:-1] != key.shape[1:-1] or not value.shape[-1]:
            refuse_shape(
                function, "value", value, f"rows as key, of shape {list(key.shape)}, but for the width"
            )
        _check_type(function, "value", value, key)
        _check_width(function, transform, "value", value)
    if "v_data" in arrays:
        if "value" not in arrays:
            raise invalid_problem(function, "v_data is given and value is None; both should be, or neither")
        wanted = (*shape, _cache_width(transform, arrays["value"].shape[-1]))
        _want(function, "v_data", arrays["v_data"], wanted, f", as k_data has shape {list(k_data.shape)}")
    for part in "kv":
        cache = arrays.get(f"{part}_data")
        if cache is None:
            continue
        if transform is Transform.COPY:
            _check_type(function, f"{part}_data", cache, key)
        elif cache.itemsize != 1:
            raise invalid_problem(
                function,
                f"{part}_data is of type {cache.dtype}; with transform {transform.name} it should be of "
                "bytes",
            )
        if f"{part}_scale" in arrays:
            check_scale(function, f"{part}_scale", arrays[f"{part}_scale"], heads)
        if f"{part}_scales" in arrays:
            scales = arrays[f"{part}_scales"]
            check_scales(function, transform, f"{part}_scales", scales, of_place, cache)


def _cache_shape(
    function: str, k_data: Array, layout: KvLayout, heads: int
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The shape that caches should have but for their width, and that of what is written for each place and
    head."""
    if k_data.ndim == 4:
        pages, page_size = k_data.shape[0], k_data.shape[2 if layout is KvLayout.HND else 1]
        of_place: tuple[int, ...] = (pages, page_size, heads)
        shape = (pages, heads, page_size) if layout is KvLayout.HND else of_place
    elif k_data.ndim == 3 and heads == 1:
        pages, page_size = k_data.shape[:2]
        of_place = shape = (pages, page_size)
    else:
        refuse_shape(function, "k_data", k_data, "4 dimensions, or 3 where there is one head")
    if not pages or not page_size:
        refuse_shape(function, "k_data", k_data, "one page and slot at least")
    return shape, of_place


def _check_type(function: str, name: str, array: Array, key: Array) -> None:
    if array.dtype != key.dtype:
        raise invalid_problem(
            function, f"{name} is of type {array.dtype}; it should be {key.dtype}, as key is"
        )


def check_scale(function: str, name: str, scale: Array, heads: int) -> None:
    """Of all, or of each head."""
    if scale.dtype != np.float32 or scale.shape not in ((), (1,), (heads,)):
        raise invalid_problem(
            function,
            f"{name} has shape {list(scale.shape)} and type {scale.dtype}; it should be float32 of [1], or "
            f"[{heads}]: one for each head",
        )


def check_scales(
    function: str, transform: Transform, name: str, scales: Array, of_place: tuple[int, ...], cache: Array
) -> None:
    """Of rows, or of blocks in them."""
    if transform is Transform.NVFP4:
        blocks = cache.shape[-1] * _NVFP4_IN_A_BYTE // formats.BLOCK
        _want(function, name, scales, (*cache.shape[:-1], blocks), ", one for 16 elements")
        if scales.itemsize != 1:
            raise invalid_problem(function, f"{name} is of type {scales.dtype}; it should be of bytes")
        return
    _want(function, name, scales, of_place, ", [pages, page_size, heads]")
    if scales.dtype != np.float32:
        raise invalid_problem(function, f"{name} is of type {scales.dtype}; it should be float32")


def check_cache(function: str, transform: Transform, cache: Array) -> None:
    """Of a cache that is read back: its rank, and what its rows hold."""
    if cache.ndim not in (3, 4):
        refuse_shape(function, "cache", cache, "4 dimensions, or 3 where there is one head")
    if cache.itemsize != 1:
        raise invalid_problem(function, f"cache is of type {cache.dtype}; it should be of bytes")
    width = cache.shape[-1]
    if transform is Transform.FP8_DS_MLA and width != formats.ROW_BYTES:
        refuse_shape(function, "cache", cache, f"rows of {formats.ROW_BYTES} bytes")
    if transform is Transform.NVFP4 and (not width or width * _NVFP4_IN_A_BYTE % formats.BLOCK):
        refuse_shape(function, "cache", cache, f"rows of a multiple of {formats.BLOCK // 2} bytes")


def refuse_shape(function: str, name: str, array: Array, wanted: str) -> NoReturn:
    raise invalid_problem(function, f"{name} has shape {list(array.shape)}; it should have {wanted}")


def _want(function: str, name: str, array: Array, shape: tuple[int, ...], because: str) -> None:
    if array.shape != shape:
        raise invalid_problem(
            function, f"{name} has shape {list(array.shape)}; it should be {list(shape)}{because}"
        )


def _cache_width(transform: Transform, width: int) -> int:
    if transform is Transform.FP8_DS_MLA:
        return formats.ROW_BYTES
    return width // _NVFP4_IN_A_BYTE if transform is Transform.NVFP4 else width


def _check_width(function: str, transform: Transform, name: str, rows: Array) -> None:
    width = rows.shape[-1]
    if transform is Transform.NVFP4 and width % formats.BLOCK:
        refuse_shape(function, name, rows, f"rows of a multiple of {formats.BLOCK} elements")
    if transform is Transform.FP8_DS_MLA:
        wanted = formats.RANK if name == "key" else formats.ROPE
        if width != wanted or (rows.ndim == 3 and rows.shape[1] != 1):
            refuse_shape(function, name, rows, f"one head of {wanted} elements")
