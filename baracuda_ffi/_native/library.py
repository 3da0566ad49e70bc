"""The native library: opened when first needed, once, and its functions as typed attributes."""

from __future__ import annotations

import ctypes

from .._model.errors import CUDA_ERROR_BASE, BaracudaError, error_for
from . import abi
from .accelerator import builtin_calls
from .search import find_library, not_loaded

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    # One for each of abi.OPERANDS, None where there is none; those at the end may be left out.
    Operands = tuple[object, ...]

    # Calls by name that are known, each a tuple: its baracuda_paged_kv_append; what it is known by, as
    # by_name.known_by has it; which options it has; and the objects of which that has the addresses.
    Calls = tuple[tuple[object, ...], ...]

    # A baracuda_paged_kv_append, and the operands that keep its memory; and from the accelerator what it was
    # checked as. Never changed, so that a launch on another thread sees all of it or none.
    Bound = tuple[bytes, Operands] | tuple[bytes, Operands, bytes]

# A status of the accelerated calls alone: they have done nothing, and the operands have to be described one
# by one.
NOT_JUDGED = -1
# And of append_known: it has done nothing, and the call is none that it knows.
NOT_KNOWN = -2


class Library:
    """An open library. Arguments are as in the header, pointers as addresses; the prototypes are in ``abi``.

    ``run``, ``bind_objects``, ``rebind_objects``, ``append``, ``append_known`` and ``copy`` are the
    accelerator's where the interpreter has one; without, ``run`` goes through ctypes like everything else,
    and the others judge nothing. Operands are checked with the GIL held; everything else releases it, but for
    a launch on the host that takes less long than that.
    """

    __slots__ = (
        "_handle",
        "append",
        "append_known",
        "bind",
        "bind_copy",
        "bind_objects",
        "can_implement",
        "copy",
        "host_max_threads",
        "host_set_max_threads",
        "path",
        "preload",
        "rebind_objects",
        "run",
        "run_copy",
    )

    path: str
    run: Callable[[Bound], int]
    can_implement: Callable[[bytes], int]
    preload: Callable[[int, int], int]
    bind: Callable[[int, int, int], int]
    bind_objects: Callable[..., tuple[int, Bound]]  # of a Bound and the operands
    rebind_objects: Callable[..., int]  # of what has a Bound, a Rebinding, operands, and kv_data
    append: Callable[[bytes, object, Operands], int]
    append_known: Callable[..., int]  # of Calls and by_name.ARGUMENTS
    copy: Callable[[bytes, object, Operands], int]  # of a baracuda_paged_kv_copy, by abi.COPY_OPERANDS
    bind_copy: Callable[[int, int, int], int]
    run_copy: Callable[[int], int]
    host_set_max_threads: Callable[[int], int]
    host_max_threads: Callable[[], int]

    def __init__(self, path: str) -> None:
        """Open the library; ``OSError``, ``AttributeError``, or ``LibraryNotLoaded`` for another ABI, whose
        functions may be others."""
        self.path = path
        self._handle = ctypes.CDLL(path)
        found = self.function("baracuda_ffi_abi_version")()
        if found != abi.ABI_VERSION:
            raise not_loaded(
                f"{path} has ABI version {found}; this package speaks ABI version {abi.ABI_VERSION}. "
                "Install the package and the library from one release."
            )
        self.can_implement = self.function("baracuda_paged_kv_append_can_implement")
        self.preload = self.function("baracuda_paged_kv_append_preload")
        self.bind = self.function("baracuda_paged_kv_append_bind")
        self.bind_copy = self.function("baracuda_paged_kv_copy_bind")
        self.run_copy = self.function("baracuda_paged_kv_copy_run")
        self.host_set_max_threads = self.function("baracuda_host_set_max_threads")
        self.host_max_threads = self.function("baracuda_host_max_threads")
        through_ctypes = self.function("baracuda_paged_kv_append_run")
        calls = builtin_calls(self._handle)
        self.run = calls.get("run") or (lambda bound: through_ctypes(bound[0]))
        self.bind_objects = calls.get("bind") or _bind_nothing
        self.rebind_objects = calls.get("rebind") or judge_nothing
        self.append = calls.get("append") or judge_nothing
        self.append_known = calls.get("append_known") or _know_nothing
        self.copy = calls.get("copy") or judge_nothing

    def function(self, name: str) -> Callable[..., Any]:
        """A function of the header by its name, with its signature set. The mirrored ones are found this
        way."""
        restype, argtypes = abi.SIGNATURES[name]
        function = getattr(self._handle, name)
        function.argtypes = argtypes
        function.restype = restype
        return function  # type: ignore[no-any-return]

    def private(self, symbol: str, restype: type, *argtypes: type) -> Callable[..., Any]:
        """A function of this package's own, which is not of the header."""
        function = getattr(self._handle, symbol)
        function.argtypes, function.restype = argtypes, restype
        return function  # type: ignore[no-any-return]

    def text(self, name: str, *arguments: int) -> str:
        """What a function that returns ``const char *`` returned."""
        value: bytes | None = self.function(name)(*arguments)
        return (value or b"").decode("utf-8", "replace")

    def error(self, function: str, status: int) -> BaracudaError:
        """The error for a status that is not 0, with the message that this thread's refused call left."""
        message = self.text("baracuda_last_error_message")
        name = self.text("baracuda_status_name", status) if status >= CUDA_ERROR_BASE else ""
        return error_for(status, function, message, name)


def _bind_nothing(bound: Bound, *operands: object) -> tuple[int, Bound]:
    return NOT_JUDGED, bound


def judge_nothing(*of_any_call: object) -> int:
    return NOT_JUDGED


def _know_nothing(*of_any_call: object) -> int:
    return NOT_KNOWN


loaded: Library | None = None  # what library() returns, once there is one: to save a decode loop the call
_first: dict[str, Library] = {}


def library() -> Library:
    """The library, loaded at the first call. Raises ``LibraryNotLoaded``; a later call then tries again."""
    return loaded or _load()


def _load() -> Library:
    global loaded
    # Threads that come here at once may all open it, which does no harm, and get the first one's. No lock: a
    # fork or a signal handler might find it held.
    loaded = _first.setdefault("library", _open(find_library()))
    return loaded


def _open(path: str) -> Library:
    try:
        return Library(path)
    except OSError as error:
        raise not_loaded(f"{path} could not be opened: {error}") from error
    except AttributeError as error:
        raise not_loaded(f"{path} is not a baracuda_ffi library: {error}") from error
