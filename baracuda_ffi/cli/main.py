"""Parsing the command line."""

from __future__ import annotations

import argparse
import sys
from importlib import import_module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

# A module of this package has add_arguments(parser) and run(arguments) -> exit code.
_SUBCOMMANDS = {
    "config": "where a build in C, C++, Rust or Go finds the header and the library",
    "demo": "a decode loop over a paged cache, drawn in the terminal and checked against NumPy",
    "info": "what is installed, what it can use, and why the GPU is not used if it is not",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code. 1 means that what was asked for did not work out."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    parser = argparse.ArgumentParser(
        prog="baracuda-ffi", description="FlashInfer's paged KV-cache append, without PyTorch or a compiler."
    )
    parser.add_argument("--version", action="store_true", help="print the version and exit")
    subparsers = parser.add_subparsers(dest="subcommand", metavar="COMMAND")
    chosen = next((argument for argument in arguments if not argument.startswith("-")), None)
    for name, summary in _SUBCOMMANDS.items():
        subparser = subparsers.add_parser(
            name, help=summary, description=summary[0].upper() + summary[1:] + "."
        )
        if name == chosen:  # what the others import is not needed
            module = import_module(f".{name}", __package__)
            module.add_arguments(subparser)
            subparser.set_defaults(run=module.run)
    parsed = parser.parse_args(arguments)
    if parsed.version:
        from ..about import build_info

        print(f"baracuda-ffi {build_info().version}")
        return 0
    if parsed.subcommand is None:
        parser.print_help()
        return 2
    return int(parsed.run(parsed))
