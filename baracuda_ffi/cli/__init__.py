"""The ``baracuda-ffi`` command. Its subcommands' modules, and what only they need, are imported when used."""

from .main import main

__all__ = ["main"]
