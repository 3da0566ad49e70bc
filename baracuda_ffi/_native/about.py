"""About the native library: where it is, what was built into it, how many threads its host backend may
use."""

from __future__ import annotations

from .._model.checks import INT32_MAX, integer
from .._model.frozen import Frozen
from .library import library


class BuildInfo(Frozen):
    """What was built into the library that is loaded.

    Parameters
    ----------
    version : str
        Its release.
    flashinfer : str or None
        The FlashInfer release whose kernel was compiled, or None.
    cuda : str or None
        The version of the CUDA compiler, or None.
    archs : tuple of str
        Architectures with machine code, such as ``("80", "90")``.
    ptx : tuple of str
        Architectures with PTX, for what comes after.
    drivers : tuple of (str, str)
        The oldest CUDA whose driver loads each kind of code: ``("sm_90", "12.0")`` for machine code,
        ``("compute_80", "12.0")`` for PTX.
    backends : tuple of str
        ``"host"``; where it was built with CUDA also ``"flashinfer"`` and ``"bespoke"``.
    """

    _fields = ("version", "flashinfer", "cuda", "archs", "ptx", "drivers", "backends")
    __slots__ = _fields

    version: str
    flashinfer: str | None
    cuda: str | None
    archs: tuple[str, ...]
    ptx: tuple[str, ...]
    drivers: tuple[tuple[str, str], ...]
    backends: tuple[str, ...]

    def __init__(
        self,
        *,
        version: str,
        flashinfer: str | None,
        cuda: str | None,
        archs: tuple[str, ...],
        ptx: tuple[str, ...],
        drivers: tuple[tuple[str, str], ...],
        backends: tuple[str, ...],
    ) -> None:
        self._set(version, flashinfer, cuda, archs, ptx, drivers, backends)


def library_path() -> str:
    """Where the native library is, which is loaded if it was not.

    Returns
    -------
    str
        Its path. The environment variable ``BARACUDA_FFI_LIBRARY`` overrides which one that is.

    Raises
    ------
    LibraryNotLoaded
        It was not found, or could not be opened.
    """
    return library().path


def build_info() -> BuildInfo:
    """What was built into the library. Needs no GPU and no driver.

    Returns
    -------
    BuildInfo
        Of the library that is loaded.

    Raises
    ------
    LibraryNotLoaded
        It was not found, or could not be opened.
    """
    opened = library()
    pairs = [pair.partition("=") for pair in opened.text("baracuda_ffi_build_info").split(";") if pair]
    values = {key: value for key, _, value in pairs}

    def one(key: str) -> str | None:
        return None if values.get(key, "none") in ("", "none") else values[key]

    def several(key: str) -> tuple[str, ...]:
        return tuple([item for item in values.get(key, "").split(",") if item])

    return BuildInfo(
        version=opened.text("baracuda_ffi_version"),
        flashinfer=one("flashinfer"),
        cuda=one("cuda"),
        archs=several("archs"),
        ptx=several("ptx"),
        drivers=tuple(
            [(code, driver) for code, _, driver in (each.partition(":") for each in several("drivers"))]
        ),
        backends=several("backends"),
    )


def host_max_threads() -> int:
    """The most threads that one append of the host backend may use.

    Returns
    -------
    int
        The calling thread included; 0 means as many as the calling thread's CPU affinity has.

    Raises
    ------
    LibraryNotLoaded
        The native library was not found, or could not be opened.
    """
    return library().host_max_threads()


def set_host_max_threads(max_threads: int) -> None:
    """Set how many threads one append of the host backend may use, for the whole process.

    Appends too small to gain use the calling thread alone. The library's own threads, 63 at most, rest after
    an append, for the next of a thread with the same affinity and priority, and end after a second without
    one, or before such a thread forks.

    Parameters
    ----------
    max_threads : int
        The calling thread included; 0 (the default) for as many as its CPU affinity has.

    Raises
    ------
    InvalidProblem
        A negative number, or no integer. The setting stays as it was.
    LibraryNotLoaded
        The native library was not found, or could not be opened.
    """
    opened = library()
    number = integer(
        "set_host_max_threads", "max_threads", max_threads, -INT32_MAX, INT32_MAX, "a number of threads, or 0"
    )
    status = opened.host_set_max_threads(number)
    if status:
        raise opened.error("baracuda_host_set_max_threads", status)
