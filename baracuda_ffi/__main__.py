"""``python -m baracuda_ffi``: the same as the ``baracuda-ffi`` command."""

from .cli import main

if __name__ == "__main__":
    raise SystemExit(main())
