"""About the native library: where it is, what was built into it, how many threads its host backend may
use."""

from __future__ import annotations

from .._model.checks import INT32_MAX, integer
from .._model.frozen import Frozen
from .library import library


class BuildInfo(Frozen):
    """What was built into the library that is loaded.

    - ``version``: its release.
    - ``flashinfer``: the FlashInfer release whose kernel was compiled, or None.
    - ``cuda``: the version of the CUDA compiler, or None.
    - ``archs``: architectures with machine code, such as ``("80", "90")``; ``ptx``: those with PTX, for what
      comes after.
    - ``backends``: ``"host"``; where it was built with CUDA also ``"flashinfer"`` and ``"bespoke"``.
    """

    _fields = ("version", "flashinfer", "cuda", "archs", "ptx", "backends")
    __slots__ = _fields

    version: str
    flashinfer: str | None
    cuda: str | None
    archs: tuple[str, ...]
    ptx: tuple[str, ...]
    backends: tuple[str, ...]

    def __init__(
        self,
        *,
        version: str,
        flashinfer: str | None,
        cuda: str | None,
        archs: tuple[str, ...],
        ptx: tuple[str, ...],
        backends: tuple[str, ...],
    ) -> None:
        self._set(version, flashinfer, cuda, archs, ptx, backends)


def library_path() -> str:
    """The path of the native library, which is loaded if it was not. The environment variable
    ``BARACUDA_FFI_LIBRARY`` overrides which one that is. Raises ``LibraryNotLoaded``."""
    return library().path


def build_info() -> BuildInfo:
    """What was built into the library. Needs no GPU and no driver."""
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
        backends=several("backends"),
    )


def host_max_threads() -> int:
    """The most threads that one host append may use, the calling one included; 0 means as many as the calling
    thread's CPU affinity has."""
    return library().host_max_threads()


def set_host_max_threads(max_threads: int) -> None:
    """Set that, for the whole process; 0 (the default) for the CPU affinity. Appends too small to gain use
    the calling thread alone. Raises ``InvalidProblem`` for a negative number."""
    opened = library()
    number = integer(
        "set_host_max_threads", "max_threads", max_threads, -INT32_MAX, INT32_MAX, "a number of threads, or 0"
    )
    status = opened.host_set_max_threads(number)
    if status:
        raise opened.error("baracuda_host_set_max_threads", status)
