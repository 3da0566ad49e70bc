"""``python -m baracuda_ffi``, and the ``baracuda-ffi`` command."""

from __future__ import annotations

from . import _interrupts

_interrupts.end_the_process()

from .cli import main as _command  # noqa: E402 -- what takes time comes after what listens


def main() -> int:
    return _interrupts.run(_command)


if __name__ == "__main__":
    raise SystemExit(main())
