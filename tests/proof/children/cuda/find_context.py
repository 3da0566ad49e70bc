"""Asks the library which context a stream has, with a shim of a driver: find_context.py STREAM ADDRESS.

Prints the status, the context to make current, the device whose primary context was retained, and the
message, as JSON.
"""

from __future__ import annotations

import ctypes
import json
import sys

from support.c_abi import abi


def main() -> None:
    stream, address = (int(argument, 0) for argument in sys.argv[1:])
    context, retained = ctypes.c_void_p(), ctypes.c_int32(-7)
    find = abi.library().baracuda_private_stream_context
    status = find(stream, address, ctypes.byref(context), ctypes.byref(retained))
    print(json.dumps([status, context.value or 0, retained.value, abi.message()]))


if __name__ == "__main__":
    main()
