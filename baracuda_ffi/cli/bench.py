"""``baracuda-ffi bench``, which is ``baracuda_ffi.benchmarks``."""

from __future__ import annotations

from ..benchmarks.command import add_arguments, run

__all__ = ["add_arguments", "run"]
