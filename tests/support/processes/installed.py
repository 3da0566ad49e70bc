"""What the tests of the installed package share: where it is, and how to run something."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).parents[3]


def run(command: Sequence[str | Path], cwd: Path, environment: Mapping[str, str] | None = None) -> str:
    """What `command` printed; fails the test, with that, if it failed."""
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env={**os.environ, **(environment or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{' '.join(str(part) for part in command)}:\n{done.stdout}"
    return done.stdout


@dataclass(frozen=True)
class Installed:
    """What `baracuda-ffi config` tells about the installed package."""

    cmakedir: Path
    includedir: Path
    libdir: Path
    cflags: str
    libs: str

    @property
    def environment(self) -> dict[str, str]:
        """For pkg-config to find the package."""
        return {"PKG_CONFIG_PATH": str(self.libdir / "pkgconfig")}
