"""The append for PyTorch: on torch's current stream, and an operator that its compilers see through.

``append_paged_kv`` here is ``baracuda_ffi.append_paged_kv`` without a stream. Called as it is, it appends
there and then. In ``torch.compile`` (``fullgraph=True`` and ``mode="reduce-overhead"`` included), in
``torch.export``, and under torch's dispatch modes, it is the operator
``torch.ops.baracuda_ffi.append_paged_kv``, which writes to its caches as torch's in-place operators do,
without a copy of caches or rows. ``baracuda_ffi.append_paged_kv`` in a compiled function is that operator
too, on torch's current stream, whichever stream it is given there.

Autograd is off limits. An append has no derivative: caches that require grad are refused, and rows that do
are taken by their memory, as constants. It moves no version counters: see ``PagedKvAppendArgs``. Of
``torch.func``'s transforms, ``vmap`` and ``functionalize`` have no rule for it and refuse.

Importing this imports torch; ``import baracuda_ffi`` does not.
"""

from __future__ import annotations

from torch import _C, Tensor, compiler, cuda

from ._append import one_call
from ._compilers.dynamo import read_instead
from ._compilers.torch_operator import call as _operator

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

__all__ = ["append_paged_kv"]


def _current_stream(device: int) -> int:
    return int(cuda.current_stream(device).cuda_stream)


def _somebody() -> bool:
    return True


# Who watches torch's calls: dispatch modes (those of fake tensors and tracers too), transforms, TorchScript.
# Where torch has no such function, all of them being private, the operator is called, which every watcher
# sees. It takes several times as long as the append.
_modes = getattr(_C, "_len_torch_dispatch_stack", _somebody)
_transforms = getattr(getattr(_C, "_functorch", None), "peek_interpreter_stack", _somebody)
_script = getattr(_C, "_get_tracing_state", _somebody)
# Dynamo reads this as True, and then none of the others, which not all releases of it can read.
_compiling = compiler.is_dynamo_compiling

# One function whatever the operands, where its overloads have one each.
_append: Callable[..., None] = one_call.append_paged_kv

_stream_of = getattr(_C, "_cuda_getCurrentRawStream", _current_stream)


def append_paged_kv(
    key: Tensor,
    value: Tensor | None = None,
    k_data: Tensor | None = None,
    v_data: Tensor | None = None,
    indices: Tensor | None = None,
    indptr: Tensor | None = None,
    last_page_len: Tensor | None = None,
    **options: Any,
) -> None:
    """``baracuda_ffi.append_paged_kv`` on torch's current stream; on the host for tensors in its memory.

    Parameters
    ----------
    key, value, k_data, v_data, indices, indptr, last_page_len, **options
        As for ``baracuda_ffi.append_paged_kv``, with tensors for operands and no stream; the device is key's.
        ``error_record`` is a tensor here: the eight int64 of an ``ErrorRecord``.

    Raises
    ------
    BaracudaError
        As ``baracuda_ffi.append_paged_kv``; nothing was launched or written then. A compiler that traces
        wraps this in an error of its own; shapes are checked when what it compiled runs.
    """
    if (
        type(key) is not Tensor
        or _compiling()
        or _modes()
        or _transforms() is not None
        or _script() is not None
        or (options and "error_record" in options)
    ):
        _operator(key, value, k_data, v_data, indices, indptr, last_page_len, **options)
        return
    device = key.get_device()
    stream = _stream_of(device) if device >= 0 else None
    if options:
        _append(key, value, k_data, v_data, indices, indptr, last_page_len, stream=stream, **options)
    else:  # CPython takes its time to hand on none
        _append(key, value, k_data, v_data, indices, indptr, last_page_len, stream=stream)


read_instead(append_paged_kv, _operator)
