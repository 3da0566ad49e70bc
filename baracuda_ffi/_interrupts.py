"""Ctrl-C in a process that is a command of this package: it ends it, and leaves no traceback behind.

A command imports this before anything that takes time, and its program where that can be heard.
"""

from __future__ import annotations

# What signal is made of, which takes a while to import: a while in which nobody would listen.
import _signal  # type: ignore[import-not-found]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

INTERRUPTED = 130  # as shells count: 128 and the signal's number

# By Python's own handler, which raises wherever it is. In the background of a script they are ignored.
_are_heard = _signal.getsignal(_signal.SIGINT) is _signal.default_int_handler


def end_the_process() -> None:
    """From now on, at once, as where nobody handles the signal."""
    if _are_heard:
        _signal.signal(_signal.SIGINT, _signal.SIG_DFL)


_heard: list[object] = []


def _hear(number: int, frame: object) -> None:
    _heard.append(number)
    raise KeyboardInterrupt


def run(program: Callable[[], int]) -> int:
    """What the program returns, or ``INTERRUPTED``. While it runs an interrupt is a ``KeyboardInterrupt``, or
    what those that it went through made of it: NumPy, while it is imported, an ``ImportError``."""
    try:
        if _are_heard:
            _signal.signal(_signal.SIGINT, _hear)
        return program()
    except (Exception, KeyboardInterrupt):
        if not _heard:
            raise
        return INTERRUPTED
    finally:
        end_the_process()
