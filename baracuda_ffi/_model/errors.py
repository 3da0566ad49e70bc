"""What the package raises. One class per status of the C library, so that callers can catch what they can
handle."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .seen_values import Corruption, SeenValues

# The statuses of baracuda_ffi.h.
OK = 0
MISALIGNED_OPERAND = 1
INVALID_PROBLEM = 2
UNSUPPORTED = 3
WORKSPACE_TOO_SMALL = 4
BUFFER_TOO_SMALL = 5
CUDA_ERROR_BASE = 1000

# Not a status of the library: there is no library to return one.
LIBRARY_NOT_LOADED = -1
# Nor is this one: the library hands out no pages.
OUT_OF_PAGES = -2


class BaracudaError(Exception):
    """A refusal. Nothing was launched or written. Errors can be pickled and copied.

    As a string it is its message, for whoever reads it; the other attributes are for programs.

    Attributes
    ----------
    code : int
        The status of the C library: 1 to 5, or 1000 + ``CUresult``.
    function : str
        The function that refused.
    message : str
        Which operand, what it is and what it should be.
    """

    code: int
    function: str
    message: str

    def __init__(self, code: int, function: str, message: str) -> None:
        super().__init__(code, function, message)
        self.code = code
        self.function = function
        self.message = message

    def __str__(self) -> str:
        return self.message


class MisalignedOperand(BaracudaError, ValueError):
    """Status 1: an operand's address is not a multiple of what the kernel's vector copies need."""


class InvalidProblem(BaracudaError, ValueError):
    """Status 2: shapes, extents, pointers, streams or page tables that contradict each other."""


class CorruptPageTable(BaracudaError, ValueError):
    """A guarded append met a row whose place the page table says wrongly, or a guarded copy of pages an id
    that is no page. Nothing was written for that row, or page; every other one was served.

    ``code`` is 2, as for an unguarded host append that refuses such a table. Where several rows were corrupt,
    this is one of the first launch that met any.

    Attributes
    ----------
    request : int or None
        Whose row it is; None where the addressing knows no requests, and of pages.
    reason : Corruption
        Why it is corrupt.
    values : SeenValues
        What was seen of it.
    """

    request: int | None
    reason: Corruption
    values: SeenValues

    def __init__(
        self,
        code: int,
        function: str,
        message: str,
        *,
        request: int | None = None,
        reason: Corruption | None = None,
        values: SeenValues | None = None,
    ) -> None:
        super().__init__(code, function, message)
        # Unpickling gives the defaults first and these attributes afterwards.
        if reason is not None and values is not None:
            self.request, self.reason, self.values = request, reason, values


class Unsupported(BaracudaError, NotImplementedError):
    """Status 3: a legal problem that this backend, or this build, does not do."""


class WorkspaceTooSmall(BaracudaError, RuntimeError):
    """Status 4: the workspace is smaller than ``workspace_size()``."""


class BufferTooSmall(BaracudaError, ValueError):
    """Status 5: mirrored from baracuda-kernels; no append has a buffer to outgrow."""


class CudaError(BaracudaError, RuntimeError):
    """Status 1000 and above: what the CUDA driver said, or that there is none that will do (1035).

    Attributes
    ----------
    name : str
        The driver's name, such as ``CUDA_ERROR_NO_DEVICE``; ``cudaErrorInsufficientDriver`` for 1035.
    """

    name: str

    def __init__(self, code: int, function: str, message: str, name: str = "") -> None:
        super().__init__(code, function, message)
        self.name = name or f"CUresult {code - CUDA_ERROR_BASE}"


class OutOfPages(BaracudaError, RuntimeError):
    """A ``BlockManager`` has fewer free pages than a sequence needs. ``code`` is -2.

    Attributes
    ----------
    wanted : int
        Pages that were needed.
    free : int
        Pages that there were.
    """

    wanted: int
    free: int

    def __init__(
        self, code: int, function: str, message: str, *, wanted: int | None = None, free: int | None = None
    ) -> None:
        super().__init__(code, function, message)
        if wanted is not None and free is not None:  # unpickling sets them afterwards
            self.wanted, self.free = wanted, free


class LibraryNotLoaded(BaracudaError, RuntimeError):
    """The native library was not found, could not be opened, or speaks another ABI. ``code`` is -1."""


_BY_STATUS: dict[int, type[BaracudaError]] = {
    MISALIGNED_OPERAND: MisalignedOperand,
    INVALID_PROBLEM: InvalidProblem,
    UNSUPPORTED: Unsupported,
    WORKSPACE_TOO_SMALL: WorkspaceTooSmall,
    BUFFER_TOO_SMALL: BufferTooSmall,
}


def error_for(status: int, function: str, message: str, status_name: str) -> BaracudaError:
    """The error for a status that is not 0. ``status_name`` is the library's name for it."""
    if status >= CUDA_ERROR_BASE:
        return CudaError(status, function, message, status_name)
    return _BY_STATUS.get(status, BaracudaError)(status, function, message)


def invalid_problem(function: str, message: str) -> InvalidProblem:
    return InvalidProblem(INVALID_PROBLEM, function, message)


def unsupported(function: str, message: str) -> Unsupported:
    return Unsupported(UNSUPPORTED, function, message)
