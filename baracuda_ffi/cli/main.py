"""What ``baracuda-ffi`` does first and last: parse the command line, and tell in a line what went wrong."""

from __future__ import annotations

import sys

from .._interrupts import INTERRUPTED

# The rest is imported inside main, where an interrupt is heard.

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence
    from typing import Any

# Each is a module of this package, imported if chosen: add_arguments(parser), run(arguments) -> exit code.
_SUBCOMMANDS = {
    "bench": "What an append costs here, beside the peers that are installed.",
    "config": "Where a build in C, C++, Rust or Go finds the header, the library and CMake files.",
    "demo": "A prefill and a decode loop over a paged cache, drawn and checked against NumPy.",
    "info": "What is installed, what it can use, and why the GPU is not used if it is not.",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code. 1 means that what was asked for did not work out.

    Whatever becomes of what it writes to, a user sees a line at most, and no traceback.
    """
    try:
        return _told(list(sys.argv[1:] if argv is None else argv))
    except KeyboardInterrupt:
        return INTERRUPTED


def _told(arguments: list[str]) -> int:
    from .._model.errors import BaracudaError

    try:
        try:
            return _run(arguments)
        finally:
            if sys.stdout is not None:
                sys.stdout.flush()  # here, where it can be told that there was no room for it
    except BaracudaError as error:
        return _fail(str(error))
    except BrokenPipeError:  # whoever read it has seen enough
        _let_go_of_stdout()
        return 1
    except OSError as error:
        if error.filename is not None:  # a file's, which was named on the command line
            return _fail(f"{error.filename}: {error.strerror}")
        _let_go_of_stdout()
        return _fail(f"the output could not be written: {error.strerror or error}")


def _fail(message: str) -> int:
    print(f"baracuda-ffi: {message}", file=sys.stderr)
    return 1


def _let_go_of_stdout() -> None:
    """What is left in its buffer can be written nowhere; the interpreter would try once more, and say so."""
    import os

    ours = sys.__stdout__
    if ours is not None and sys.stdout is ours:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, ours.fileno())
        os.close(nowhere)


def _run(arguments: list[str]) -> int:
    parser = _parser(arguments)
    parsed = parser.parse_args(arguments)
    if parsed.version:
        from .._native.about import build_info

        print(f"baracuda-ffi {build_info().version}")
        return 0
    if parsed.subcommand is None:
        parser.print_help()
        return 2
    return int(parsed.run(parsed))


def _parser(arguments: list[str]) -> argparse.ArgumentParser:
    import argparse
    from importlib import import_module

    class _Parser(argparse.ArgumentParser):
        """Does not keep to itself that its help could not be written."""

        def _print_message(self, message: str, file: Any = None) -> None:
            if message:
                (file or sys.stderr).write(message)

    parser = _Parser(
        prog="baracuda-ffi",
        description="Every write into a paged KV-cache, prebuilt, without PyTorch or a JIT.",
    )
    parser.add_argument("--version", action="store_true", help="print the version and exit")
    subparsers = parser.add_subparsers(dest="subcommand", metavar="COMMAND")
    for name, summary in _SUBCOMMANDS.items():
        subparser = subparsers.add_parser(name, help=summary, description=summary)
        if name in arguments[:1]:
            module = import_module(f".{name}", __package__)
            module.add_arguments(subparser)
            subparser.set_defaults(run=module.run)
    return parser
