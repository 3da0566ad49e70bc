"""What ``copy`` and ``pickle`` are told by objects that stand for memory of this process."""

from __future__ import annotations

from .checks import with_article


def no_copy(value: object, why: str, instead: str) -> TypeError:
    """For a ``__reduce__`` that refuses all three: ``copy.copy``, ``copy.deepcopy`` and ``pickle``."""
    return _refusal(value, "copied or pickled", why, instead)


def no_pickle(value: object, why: str, instead: str) -> TypeError:
    """For a ``__reduce__`` beside a ``__copy__`` and a ``__deepcopy__`` that do better."""
    return _refusal(value, "pickled", why, instead)


def _refusal(value: object, done: str, why: str, instead: str) -> TypeError:
    return TypeError(f"{with_article(type(value).__name__)} cannot be {done}: {why}; {instead}")
