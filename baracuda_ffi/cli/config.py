"""``baracuda-ffi config``: where another build finds the header and the library."""

from __future__ import annotations

import os
import shlex

from .._native.search import find_build

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

_OPTIONS = {
    "cmakedir": "the folder of baracuda_ffi-config.cmake, for find_package",
    "includedir": "the folder of baracuda_ffi.h",
    "libdir": "the folder of the library; pkgconfig/ in it is one for PKG_CONFIG_PATH",
    "cflags": "options for a compiler",
    "libs": "options for a linker",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    for name, summary in _OPTIONS.items():
        parser.add_argument(f"--{name}", action="append_const", dest="options", const=name, help=summary)


def run(arguments: argparse.Namespace) -> int:
    """Print what was asked for, a line each in the order of the options; without an option, everything by
    name."""
    prefix, library = find_build()
    values = _values(prefix, os.path.dirname(library))
    if arguments.options:
        print("\n".join([values[name] for name in arguments.options]))
    else:
        print("\n".join([f"{name}: {value}" for name, value in values.items()]))
    return 0


def _values(prefix: str, library_dir: str) -> dict[str, str]:
    include_dir = os.path.join(prefix, "include")
    # By the last of them a program finds the library where it was linked with it.
    libs = [f"-L{library_dir}", "-lbaracuda_ffi", f"-Wl,-rpath,{library_dir}"]
    return {
        "cmakedir": os.path.join(prefix, "share", "cmake", "baracuda_ffi"),
        "includedir": include_dir,
        "libdir": library_dir,
        "cflags": shlex.quote(f"-I{include_dir}"),
        "libs": " ".join(map(shlex.quote, libs)),
    }
