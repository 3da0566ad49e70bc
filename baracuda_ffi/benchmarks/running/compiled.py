"""What has to be compiled on the spot to be measured.

Nothing of it is part of the product, and where there is no compiler the paths that need one are absent.
"""

from __future__ import annotations

import atexit
import ctypes
import os
import shutil
import subprocess
import tempfile
from functools import wraps
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from ..absent import Absent, optional
from .paths import reason_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

_SOURCES = Path(__file__).parents[1] / "sources"


def remembered(function: Callable[..., Any]) -> Callable[..., Any]:
    """Like ``functools.cache``, and a failure is remembered too: no case compiles again what did not compile
    for the one before."""
    values: dict[tuple[Any, ...], Any] = {}
    # Not the errors themselves: their tracebacks would keep their callers' operands alive.
    failures: dict[tuple[Any, ...], tuple[type[Exception], str]] = {}

    @wraps(function)
    def call(*arguments: Any) -> Any:
        if arguments in failures:
            kind, message = failures[arguments]
            raise kind(message)
        if arguments not in values:
            try:
                values[arguments] = function(*arguments)
            except Absent as error:
                failures[arguments] = Absent, str(error)
                raise
            except Exception as error:
                failures[arguments] = RuntimeError, reason_of(error)
                raise
        return values[arguments]

    return call


@remembered
def build_folder() -> Path:
    """A folder of this process, removed when it exits."""
    folder = Path(tempfile.mkdtemp(prefix="baracuda-ffi-bench-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


@remembered
def launch_loop() -> ctypes.CDLL:
    """``sources/launch_loop.c``, with its functions' signatures set. ``Absent`` without a C compiler."""
    compiler = shutil.which(os.environ.get("CC", "cc")) or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        raise Absent("there is no C compiler (cc) to compile the C loop with")
    target = build_folder() / "launch_loop.so"
    _run([compiler, "-O2", "-shared", "-fPIC", "-o", str(target), str(_SOURCES / "launch_loop.c")])
    library = ctypes.CDLL(str(target))
    pointer, integer = ctypes.c_void_p, ctypes.c_int64
    library.bench_loop.argtypes = (pointer, pointer, integer, integer)
    library.bench_loop.restype = ctypes.c_int32
    library.bench_nothing.argtypes = (pointer,)
    library.bench_nothing.restype = ctypes.c_int32
    library.bench_copy.argtypes = (pointer, pointer, pointer, pointer, ctypes.c_size_t, integer)
    library.bench_copy.restype = None
    return library


@remembered
def header_append(capability: int) -> Any:
    """The function of ``sources/header_append.cu``, compiled for a compute capability such as 90. ``Absent``
    without nvcc or FlashInfer's headers."""
    compiler = _nvcc()
    include = _flashinfer_include()
    target = build_folder() / "header_append.so"
    _run(
        [
            compiler,
            "-O3",
            "-std=c++17",
            "-DNDEBUG",
            "--expt-relaxed-constexpr",
            f"-gencode=arch=compute_{capability},code=sm_{capability}",
            "-shared",
            "-Xcompiler=-fPIC",
            *[f"-I{folder}" for folder in (include, *_cccl_includes(include))],
            "-o",
            str(target),
            str(_SOURCES / "header_append.cu"),
        ]
    )
    function = ctypes.CDLL(str(target)).bench_header_append
    function.argtypes = (ctypes.c_int,) * 6 + (ctypes.c_void_p,) * 8
    function.restype = ctypes.c_int
    return function


@remembered
def custom_op(with_cuda: bool) -> Any:
    """``torch.ops.baracuda_bench``, made of ``sources/custom_op.cpp``. ``Absent`` without torch, ninja or a
    C++ compiler."""
    torch = optional("torch", "PyTorch")
    if not (shutil.which(os.environ.get("CXX", "c++")) or shutil.which("g++")):
        raise Absent("there is no C++ compiler to compile a torch operator with")
    extension = optional("torch.utils.cpp_extension", "PyTorch")
    folder = build_folder() / "custom_op"
    folder.mkdir(exist_ok=True)
    if shutil.which("ninja") is None:
        raise Absent("ninja, which torch compiles operators with, is not installed")
    extension.load(
        name="baracuda_bench",
        sources=[str(_SOURCES / "custom_op.cpp")],
        extra_cflags=["-O2", *(["-DBENCH_WITH_CUDA"] if with_cuda else [])],
        build_directory=str(folder),
        with_cuda=with_cuda,
        is_python_module=False,
        verbose=False,
    )
    return torch.ops.baracuda_bench


def _nvcc() -> str:
    places = [os.environ.get("CUDA_HOME", ""), os.environ.get("CUDA_PATH", ""), "/usr/local/cuda"]
    found = shutil.which("nvcc")
    for place in places:
        if found is None and place:
            found = shutil.which(os.path.join(place, "bin", "nvcc"))
    if found is None:
        raise Absent("there is no nvcc to compile FlashInfer's header with")
    return found


def _flashinfer_include() -> str:
    """As the build of the package looks for it: ``FLASHINFER_INCLUDE_DIR``, then an installed
    flashinfer-python."""
    named = os.environ.get("FLASHINFER_INCLUDE_DIR")
    if named:
        if os.path.isfile(os.path.join(named, "flashinfer", "page.cuh")):
            return named
        raise Absent(f"FLASHINFER_INCLUDE_DIR is {named}, which holds no flashinfer/page.cuh")
    try:
        site = distribution("flashinfer-python").locate_file("")
    except PackageNotFoundError:
        raise Absent(
            "FlashInfer's headers are not here: neither FLASHINFER_INCLUDE_DIR nor flashinfer-python is"
        ) from None
    include = os.path.join(str(site), "flashinfer", "data", "include")
    if not os.path.isfile(os.path.join(include, "flashinfer", "page.cuh")):
        raise Absent("the installed flashinfer-python holds no data/include/flashinfer/page.cuh")
    return include


def _cccl_includes(flashinfer_include: str) -> list[str]:
    """The CCCL that newer releases of flashinfer-python bring along, and need where CUDA's own is older."""
    cccl = os.path.join(os.path.dirname(flashinfer_include), "cccl")
    folders = [os.path.join(cccl, *part) for part in (("libcudacxx", "include"), ("cub",), ("thrust",))]
    return [folder for folder in folders if os.path.isdir(folder)]


def _run(command: Sequence[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{os.path.basename(command[0])} failed: {done.stderr.strip()[-250:]}")
