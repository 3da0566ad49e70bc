"""The append, and copies of pages, for PyTorch: on torch's current stream, and as operators that its
compilers see through.

``append_paged_kv`` here is ``baracuda_ffi.append_paged_kv`` without a stream. Called as it is, it appends
there and then. In ``torch.compile`` (``fullgraph=True`` and ``mode="reduce-overhead"`` included), in
``torch.export``, and under torch's dispatch modes, it is the operator
``torch.ops.baracuda_ffi.append_paged_kv``, which writes to its caches as torch's in-place operators do,
without a copy of caches or rows. ``baracuda_ffi.append_paged_kv`` in a compiled function is that operator
too, on torch's current stream, whichever stream it is given there.

``copy_pages``, ``gather_pages`` and ``scatter_pages`` are operators by the same names, always.

Autograd is off limits. An append has no derivative: caches that require grad are refused, and rows that do
are taken by their memory, as constants. It moves no version counters: see ``PagedKvAppendArgs``. Of
``torch.func``'s transforms, ``vmap`` and ``functionalize`` have no rule for it and refuse.

Importing this imports torch; ``import baracuda_ffi`` does not.
"""

from __future__ import annotations

from torch import _C, Tensor, compiler

from ._append import one_call
from ._compilers import torch_pages as _pages
from ._compilers.dynamo import read_instead
from ._compilers.torch_library import raw_stream as _stream_of
from ._compilers.torch_operator import call as _operator
from ._model.enums import KvLayout
from ._native import library as native_library
from ._native.by_name import ARGUMENTS, NOT_GIVEN, given_of, standing_before

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeVar

    from ._model.enums import LengthConvention

    F = TypeVar("F", bound=Callable[..., None])

__all__ = ["append_paged_kv", "copy_pages", "gather_pages", "scatter_pages"]


def _somebody() -> bool:
    return True


# Who watches torch's calls: dispatch modes (those of fake tensors and tracers too), transforms, TorchScript.
# Where torch has no such function, all of them being private, the operator is called, which every watcher
# sees. It takes several times as long as the append.
_modes = getattr(_C, "_len_torch_dispatch_stack", _somebody)
_transforms = getattr(getattr(_C, "_functorch", None), "peek_interpreter_stack", _somebody)
_script = getattr(_C, "_is_tracing", _somebody)
# Dynamo reads this as True, and then none of the others, which not all releases of it can read.
_compiling = compiler.is_dynamo_compiling

_NO_PLAIN_TENSOR = -2  # where a device is: memory of the host is -1

_NO_RECORD, _NO_STREAM = NOT_GIVEN["error_record"], NOT_GIVEN["stream"]

# One function whatever the operands, where its overloads have one each.
_append: Callable[..., None] = one_call.append_paged_kv


def _on_the_current_stream(declared: F) -> F:
    """``declared``, the operator, for calls that somebody watches, or that have what it alone takes."""

    def append_paged_kv(
        key: Any = None,
        value: Any = None,
        k_data: Any = None,
        v_data: Any = None,
        indices: Any = None,
        indptr: Any = None,
        last_page_len: Any = None,
        beyond: Any = None,
        stream: Any = None,
        append_indptr: Any = None,
        seq_lens: Any = None,
        slot_mapping: Any = None,
        block_table: Any = None,
        batch_indices: Any = None,
        positions: Any = None,
        length_convention: Any = None,
        layout: Any = None,
        guarded: Any = None,
        k_scale: Any = None,
        v_scale: Any = None,
        k_scales: Any = None,
        v_scales: Any = None,
        kv_data: Any = None,
        skip_slot: Any = None,
        transform: Any = None,
        element: Any = None,
        error_record: Any = None,
        backend: Any = None,
    ) -> None:
        device = key.get_device() if type(key) is Tensor else _NO_PLAIN_TENSOR
        function: Callable[..., None] = declared
        if (
            device != _NO_PLAIN_TENSOR
            and not _compiling()
            and not _modes()
            and _transforms() is None
            and not _script()
            and error_record is _NO_RECORD
            and stream is _NO_STREAM
        ):
            stream = _stream_of(device) if device >= 0 else None
            # What _append asks first, asked here: to hand the call on to it would take a quarter longer.
            opened = native_library.loaded
            if opened is not None:
                append = opened.append_known  # by itself: CPython takes longer to look up a slot as a method
                if not append(
                    one_call.known,
                    stream,
                    key,
                    value,
                    k_data,
                    v_data,
                    indices,
                    indptr,
                    last_page_len,
                    append_indptr,
                    batch_indices,
                    positions,
                    slot_mapping,
                    block_table,
                    seq_lens,
                    k_scale,
                    v_scale,
                    k_scales,
                    v_scales,
                    kv_data,
                    layout,
                    length_convention,
                    guarded,
                    backend,
                    transform,
                    element,
                    skip_slot,
                    error_record,
                    beyond,
                ):
                    return
            function = _append  # what is new to the library, or wrong
        arguments = (
            stream,
            key,
            value,
            k_data,
            v_data,
            indices,
            indptr,
            last_page_len,
            append_indptr,
            batch_indices,
            positions,
            slot_mapping,
            block_table,
            seq_lens,
            k_scale,
            v_scale,
            k_scales,
            v_scales,
            kv_data,
            layout,
            length_convention,
            guarded,
            backend,
            transform,
            element,
            skip_slot,
            error_record,
            beyond,
        )
        operands, named = given_of(ARGUMENTS, arguments, one_call.BY_POSITION)
        function(*operands, **named)

    return standing_before(declared, append_paged_kv)


@_on_the_current_stream
def append_paged_kv(
    key: Tensor,
    value: Tensor | None = None,
    k_data: Tensor | None = None,
    v_data: Tensor | None = None,
    indices: Tensor | None = None,
    indptr: Tensor | None = None,
    last_page_len: Tensor | None = None,
    *,
    append_indptr: Tensor | None = None,
    batch_indices: Tensor | None = None,
    positions: Tensor | None = None,
    slot_mapping: Tensor | None = None,
    block_table: Tensor | None = None,
    seq_lens: Tensor | None = None,
    layout: KvLayout | str = KvLayout.HND,
    length_convention: LengthConvention | str | None = None,
    **options: Any,
) -> None:
    """``baracuda_ffi.append_paged_kv`` on torch's current stream; on the host for tensors in its memory.

    Parameters
    ----------
    key, value, k_data, v_data, indices, indptr, last_page_len, append_indptr, batch_indices, positions,
    slot_mapping, block_table, seq_lens, layout, length_convention, **options
        As for ``baracuda_ffi.append_paged_kv``, with tensors for operands and no stream; the device is key's.
        ``error_record`` is a tensor here: the eight int64 of an ``ErrorRecord``.

    Raises
    ------
    BaracudaError
        As ``baracuda_ffi.append_paged_kv``; nothing was launched or written then. A compiler that traces
        wraps this in an error of its own; shapes are checked when what it compiled runs.
    """
    if "stream" in options:
        raise TypeError("append_paged_kv() got 'stream'; it is torch's current one")
    _operator(
        key,
        value,
        k_data,
        v_data,
        indices,
        indptr,
        last_page_len,
        append_indptr=append_indptr,
        batch_indices=batch_indices,
        positions=positions,
        slot_mapping=slot_mapping,
        block_table=block_table,
        seq_lens=seq_lens,
        layout=layout,
        length_convention=length_convention,
        **options,
    )


read_instead(append_paged_kv, _operator)


def copy_pages(
    k_data: Tensor | None = None,
    v_data: Tensor | None = None,
    source: Tensor | None = None,
    destination: Tensor | None = None,
    **options: Any,
) -> None:
    """``baracuda_ffi.copy_pages`` on torch's current stream; on the host for caches in its memory.

    Parameters
    ----------
    k_data, v_data, source, destination, **options
        As for ``baracuda_ffi.copy_pages``, with tensors for operands and no stream; the device is that of the
        caches. ``error_record`` is a tensor here: the eight int64 of an ``ErrorRecord``.

    Raises
    ------
    BaracudaError
        As ``baracuda_ffi.copy_pages``; nothing was launched or written then.
    """
    _pages.copy_pages(k_data, v_data, source, destination, **options)


def gather_pages(
    k_data: Tensor | None = None,
    v_data: Tensor | None = None,
    source: Tensor | None = None,
    buffer: Tensor | None = None,
    **options: Any,
) -> None:
    """``baracuda_ffi.gather_pages`` on torch's current stream; on the host for caches in its memory.

    Parameters
    ----------
    k_data, v_data, source, buffer, **options
        As for ``baracuda_ffi.gather_pages``, as ``copy_pages`` takes them. buffer may be pinned memory.

    Raises
    ------
    BaracudaError
        As ``baracuda_ffi.gather_pages``; nothing was launched or written then.
    """
    _pages.gather_pages(k_data, v_data, source, buffer, **options)


def scatter_pages(
    k_data: Tensor | None = None,
    v_data: Tensor | None = None,
    destination: Tensor | None = None,
    buffer: Tensor | None = None,
    **options: Any,
) -> None:
    """``baracuda_ffi.scatter_pages`` on torch's current stream; on the host for caches in its memory.

    Parameters
    ----------
    k_data, v_data, destination, buffer, **options
        As for ``baracuda_ffi.scatter_pages``, as ``copy_pages`` takes them. buffer may be pinned memory.

    Raises
    ------
    BaracudaError
        As ``baracuda_ffi.scatter_pages``; nothing was launched or written then.
    """
    _pages.scatter_pages(k_data, v_data, destination, buffer, **options)
