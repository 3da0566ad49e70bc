"""What Dynamo, the front of ``torch.compile``, reads where a compiled function appends or copies pages.

Dynamo reads Python and stops at the library's built-in functions, which it can neither read nor, in some
releases, step around. A function may name another by the attribute ``_torchdynamo_inline``, which is then
read in its place: one that calls torch's operator. So the functions themselves know nothing of torch, and a
call of them costs nothing more.

What runs an operator later has a stream of its own (that of a graph capture, say), so it is torch's current
one that counts, whichever was current while this was read. The stream that comes with a cache on a CUDA
device is therefore not looked at, not even for None. Dynamo keeps a weak reference to a stream that is, and
in some releases of torch (2.11) a ``torch.cuda.Stream`` that goes leaves such references dangling: the next
compilation crashes.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_ATTRIBUTE = "_torchdynamo_inline"

_WRONG_STREAM = (
    "in a compiled function stream should be torch's current stream for a cache on a CUDA device, and None "
    "for one in host memory"
)


def read_instead(function: Callable[..., Any], compiled: Callable[..., Any]) -> None:
    """Have Dynamo read ``compiled`` where ``function`` is called."""
    setattr(function, _ATTRIBUTE, compiled)


def read_instead_of(name: str, function: Callable[..., Any]) -> None:
    """Have Dynamo read torch's operator where the package's public function of this name is called."""
    append = name == "append_paged_kv"
    read_instead(function, append_in_a_compiled_function if append else copies_in_a_compiled_function(name))


def append_in_a_compiled_function(
    key: Any, value: Any = None, k_data: Any = None, *others: Any, stream: Any, **options: Any
) -> None:
    """``append_paged_kv`` as torch's operator."""
    from .torch_operator import call

    cache = options.get("kv_data") if k_data is None else k_data
    if cache is not None and not cache.is_cuda and stream is not None:
        raise ValueError(_WRONG_STREAM)
    call(key, value, k_data, *others, **options)


def copies_in_a_compiled_function(name: str) -> Callable[..., None]:
    """One of the functions that copy pages, as torch's operator."""

    def copy_pages(k_data: Any = None, *others: Any, stream: Any, **options: Any) -> None:
        from . import torch_pages

        cache = options.get("kv_data") if k_data is None else k_data
        if cache is not None and not cache.is_cuda and stream is not None:
            raise ValueError(_WRONG_STREAM)
        getattr(torch_pages, name)(k_data, *others, **options)

    return copy_pages
