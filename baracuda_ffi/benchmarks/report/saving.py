"""Writing where a path points: a file whole or not at all, anything else as it is."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

# Where names stand for what is open already, be it a file.
_OF_DESCRIPTORS = ("/dev/", "/proc/")


def is_stream(path: Path) -> bool:
    """Whether it is there and is no file of its own: a device, a pipe, or ``/dev/stdout``, which cannot be
    written anew."""
    name = os.path.join(os.path.realpath(path.parent), path.name)
    return path.exists() and (not path.is_file() or name.startswith(_OF_DESCRIPTORS))


def save_text(path: Path, text: str) -> None:
    """Write the text to where the path points, its folders made if need be. Raises ``OSError``, or what
    interrupts it, and leaves then what was there before and nothing else."""
    if is_stream(path):
        with path.open("a", encoding="utf-8") as stream:
            stream.write(text)
        return
    target = Path(os.path.realpath(path))  # of a link the file, which may be missing yet
    missing = [folder for folder in (target.parent, *target.parents) if not folder.exists()]
    # Written beside and moved into place: a run that is interrupted leaves the last whole file.
    unfinished = target.with_name(f"{target.name}.{os.getpid()}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        unfinished.write_text(text, encoding="utf-8")
        unfinished.replace(target)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        with suppress(OSError):  # those that somebody else uses by now
            for folder in dict.fromkeys(missing):
                folder.rmdir()
        raise
