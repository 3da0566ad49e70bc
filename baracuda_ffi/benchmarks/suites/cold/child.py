"""One fresh process of the cold suite. Run as a script, so that nothing of the package is imported before it
is asked for.

``child.py interpreter|context|baracuda|host|flashinfer`` prints one line of JSON: ``marks``, when it
passed its milestones, in order, in nanoseconds of the monotonic clock, which it shares with its parent; and
``error``, empty if all went well.
"""

import os
import sys
import time

# A script's folder is the first that modules are looked for in, and nothing of this one is to be found so.
if sys.path[:1] == [os.path.dirname(os.path.abspath(__file__))]:
    del sys.path[0]

_BATCH, _HEADS, _HEAD_DIM, _PAGE_SIZE, _PAGES = 8, 8, 128, 16, 64
_ROWS_BYTES = _BATCH * _HEADS * _HEAD_DIM * 2
_CACHE_BYTES = _PAGES * _HEADS * _PAGE_SIZE * _HEAD_DIM * 2
_INDPTR = range(_BATCH + 1)
_INDICES = [(7 * request + 3) % _PAGES for request in range(_BATCH)]
_LAST_PAGE_LEN = [1 + request % (_PAGE_SIZE - 1) for request in range(_BATCH)]

_marks: dict[str, int] = {}


def _mark(name: str) -> None:
    _marks[name] = time.monotonic_ns()


def _interpreter() -> None:
    _mark("finished")


class _Driver:
    """libcuda through ctypes: device 0's primary context, and memory in it."""

    def __init__(self) -> None:
        import ctypes

        self._library = ctypes.CDLL("libcuda.so.1")
        device, context = ctypes.c_int(0), ctypes.c_void_p()
        self.call("cuInit", 0)
        self.call("cuDeviceGet", ctypes.byref(device), 0)
        self.call("cuDevicePrimaryCtxRetain", ctypes.byref(context), device)
        self.call("cuCtxSetCurrent", context)

    def call(self, name: str, *arguments: object) -> None:
        status = getattr(self._library, name)(*arguments)
        if status:
            raise RuntimeError(f"{name} returned {status}")

    def synchronise(self) -> None:
        self.call("cuCtxSynchronize")

    def allocate(self, content: bytes) -> int:
        import ctypes

        pointer = ctypes.c_uint64(0)
        self.call("cuMemAlloc_v2", ctypes.byref(pointer), ctypes.c_size_t(len(content)))
        self.call("cuMemcpyHtoD_v2", pointer, content, ctypes.c_size_t(len(content)))
        return pointer.value

    def read(self, pointer: int, size: int) -> bytes:
        import ctypes

        buffer = ctypes.create_string_buffer(size)
        self.call("cuMemcpyDtoH_v2", buffer, ctypes.c_uint64(pointer), ctypes.c_size_t(size))
        return buffer.raw


def _context() -> None:
    driver = _Driver()
    driver.synchronise()
    _mark("finished")


def _baracuda() -> None:
    driver = _Driver()
    _mark("CUDA context")
    key, value = os.urandom(_ROWS_BYTES), os.urandom(_ROWS_BYTES)
    k_data = driver.allocate(bytes(_CACHE_BYTES))
    v_data = driver.allocate(bytes(_CACHE_BYTES))
    pointers = [driver.allocate(key), driver.allocate(value), k_data, v_data]
    pointers += [driver.allocate(_int32(table)) for table in (_INDICES, _INDPTR, _LAST_PAGE_LEN)]
    _mark("operands made")
    _append(pointers, stream=0, device=0)
    driver.synchronise()
    _mark("finished")
    _check(driver.read(k_data, _CACHE_BYTES), key)
    _check(driver.read(v_data, _CACHE_BYTES), value)


def _host() -> None:
    import ctypes

    def place(content: bytes) -> int:
        buffer = ctypes.create_string_buffer(content, len(content) + 16)
        kept.append(buffer)
        address = ctypes.addressof(buffer)
        shift = -address % 16
        ctypes.memmove(address + shift, content, len(content))
        return address + shift

    kept: list[object] = []
    key, value = os.urandom(_ROWS_BYTES), os.urandom(_ROWS_BYTES)
    k_data, v_data = place(bytes(_CACHE_BYTES)), place(bytes(_CACHE_BYTES))
    pointers = [place(key), place(value), k_data, v_data]
    pointers += [place(_int32(table)) for table in (_INDICES, _INDPTR, _LAST_PAGE_LEN)]
    _mark("operands made")
    _append(pointers, stream=None, device=None)
    _mark("finished")
    _check(ctypes.string_at(k_data, _CACHE_BYTES), key)
    _check(ctypes.string_at(v_data, _CACHE_BYTES), value)


def _append(pointers: list[int], stream: int | None, device: int | None) -> None:
    import baracuda_ffi as bf

    element = bf.ElementKind.F16
    cache = bf.PagedKvCacheDescriptor(
        page_size=_PAGE_SIZE, num_total_pages=_PAGES, num_kv_heads=_HEADS, head_dim=_HEAD_DIM, element=element
    )
    _mark("baracuda_ffi imported")
    plan = bf.PagedKvAppendPlan.select(stream, bf.PagedKvAppendDescriptor(batch_size=_BATCH, paged_kv=cache))
    _mark("library loaded, plan selected")
    row = (_BATCH, _HEADS, _HEAD_DIM)
    shapes = [row, row, cache.shape, cache.shape, (_BATCH,), (_BATCH + 1,), (_BATCH,)]
    views = [
        bf.TensorView(ptr=ptr, shape=shape, element=element if i < 4 else "i32", device=device)
        for i, (ptr, shape) in enumerate(zip(pointers, shapes, strict=True))
    ]
    names = ("key", "value", "k_data", "v_data", "indices", "indptr", "last_page_len")
    plan.run(stream, bf.Workspace.NONE, bf.PagedKvAppendArgs(**dict(zip(names, views, strict=True))))


def _flashinfer() -> None:
    from importlib import import_module

    torch = import_module("torch")
    torch.zeros(1, device="cuda")
    torch.cuda.synchronize()
    _mark("torch imported, CUDA context")
    flashinfer = import_module("flashinfer")
    _mark("flashinfer imported")
    shape = (_PAGES, _HEADS, _PAGE_SIZE, _HEAD_DIM)
    half = {"dtype": torch.float16, "device": "cuda"}
    integers = {"dtype": torch.int32, "device": "cuda"}
    key = torch.randn((_BATCH, _HEADS, _HEAD_DIM), **half)
    value = torch.randn((_BATCH, _HEADS, _HEAD_DIM), **half)
    k_data, v_data = torch.zeros(shape, **half), torch.zeros(shape, **half)
    indices, indptr = torch.tensor(_INDICES, **integers), torch.tensor(list(_INDPTR), **integers)
    last_page_len = torch.tensor([length + 1 for length in _LAST_PAGE_LEN], **integers)
    lengths = flashinfer.get_seq_lens(indptr, last_page_len, _PAGE_SIZE)
    rows = torch.arange(_BATCH + 1, **integers)
    batch_indices, positions = flashinfer.get_batch_indices_positions(rows, lengths, _BATCH)
    torch.cuda.synchronize()
    _mark("operands made")
    flashinfer.append_paged_kv_cache(
        key, value, batch_indices, positions, (k_data, v_data), indices, indptr, last_page_len, "HND"
    )
    torch.cuda.synchronize()
    _mark("finished")
    slots = torch.tensor(_LAST_PAGE_LEN, device="cuda")
    if not torch.equal(k_data[indices.long(), :, slots], key):
        raise RuntimeError("flashinfer-python did not write the rows where they belong")


def _int32(numbers: object) -> bytes:
    from array import array

    return array("i", numbers).tobytes()  # type: ignore[call-overload, no-any-return]


def _check(cache: bytes, rows: bytes) -> None:
    row = _HEAD_DIM * 2
    for request in range(_BATCH):
        for head in range(_HEADS):
            slot = (_INDICES[request] * _HEADS + head) * _PAGE_SIZE + _LAST_PAGE_LEN[request]
            start = (request * _HEADS + head) * row
            if cache[slot * row : (slot + 1) * row] != rows[start : start + row]:
                raise RuntimeError(f"the row of request {request}, head {head} is not where it belongs")


def _main(mode: str) -> None:
    modes = {
        "interpreter": _interpreter,
        "context": _context,
        "baracuda": _baracuda,
        "host": _host,
        "flashinfer": _flashinfer,
    }
    error = ""
    try:
        modes[mode]()
    except Exception as caught:
        error = f"{type(caught).__name__}: {caught}"
    import json

    print(json.dumps({"marks": _marks, "error": error}))


if __name__ == "__main__":
    _main(sys.argv[1])
