"""Parsing the command line."""

from __future__ import annotations

import argparse
import sys
from importlib import import_module

from .._model.errors import BaracudaError
from .._native.about import build_info

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

# Each is a module of this package, imported if chosen: add_arguments(parser), run(arguments) -> exit code.
_SUBCOMMANDS = {
    "bench": "What an append costs here, beside the peers that are installed.",
    "config": "Where a build in C, C++, Rust or Go finds the header, the library and CMake files.",
    "demo": "A decode loop over a paged cache, drawn in the terminal and checked against NumPy.",
    "info": "What is installed, what it can use, and why the GPU is not used if it is not.",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code. 1 means that what was asked for did not work out."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    parser = argparse.ArgumentParser(
        prog="baracuda-ffi", description="FlashInfer's paged KV-cache append, without PyTorch or a compiler."
    )
    parser.add_argument("--version", action="store_true", help="print the version and exit")
    subparsers = parser.add_subparsers(dest="subcommand", metavar="COMMAND")
    for name, summary in _SUBCOMMANDS.items():
        subparser = subparsers.add_parser(name, help=summary, description=summary)
        if name in arguments[:1]:
            module = import_module(f".{name}", __package__)
            module.add_arguments(subparser)
            subparser.set_defaults(run=module.run)
    parsed = parser.parse_args(arguments)
    try:
        if parsed.version:
            print(f"baracuda-ffi {build_info().version}")
            return 0
        if parsed.subcommand is None:
            parser.print_help()
            return 2
        return int(parsed.run(parsed))
    except BaracudaError as error:
        print(f"baracuda-ffi: {error}", file=sys.stderr)
        return 1
