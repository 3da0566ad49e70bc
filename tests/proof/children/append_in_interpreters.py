"""Appends in one interpreter of the process after another, then in threads that have one each, and in the
main one between: KIND, as the module of interpreters calls it."""

from __future__ import annotations

import sys
import threading
from typing import Any

from proof.processes.interpreters import create, interpreters, run

# NumPy has one interpreter a process.
APPEND = """
import ctypes
import sys
from array import array

sys.path[:] = {path}

import baracuda_ffi as bf
from baracuda_ffi._native.accelerator import builtin_calls

HEADS, PAGE_SIZE, HEAD_DIM, PAGES = 2, 4, 64, 8
PLACE = HEADS * HEAD_DIM


def view(memory, element, *shape):
    return bf.TensorView(ptr=memory.buffer_info()[0], shape=shape, element=element)


def rows(first):
    return array("H", range(first, first + 2 * PLACE))


keys, slots = [rows(1), rows(1000)], array("i", [5, 30])
cache = array("H", bytes(2 * PAGES * PAGE_SIZE * PLACE))
key, other_key = [view(key, "f16", 2, HEADS, HEAD_DIM) for key in keys]
operands = {{
    "k_data": view(cache, "f16", PAGES, PAGE_SIZE, HEADS, HEAD_DIM),
    "slot_mapping": view(slots, "i32", 2),
}}


def check(key):
    for row, slot in enumerate(slots):
        assert cache[PLACE * slot : PLACE * (slot + 1)] == key[PLACE * row : PLACE * (row + 1)]


for _ in range(3):
    bf.append_paged_kv(key, None, **operands, v_data=None, layout="NHD", stream=None)
check(keys[0])
caches = bf.PagedKvCacheDescriptor(
    page_size=PAGE_SIZE, num_total_pages=PAGES, num_kv_heads=HEADS, head_dim=HEAD_DIM, element="f16",
    layout="NHD",
)
plan = bf.PagedKvAppendPlan.select(None, bf.PagedKvAppendDescriptor(paged_kv=caches, addressing="SLOTS"))
launch = plan.bind(None, bf.PagedKvAppendArgs(key=other_key, **operands))
launch()
check(keys[1])
launch.rebind(key=key)
launch()
check(keys[0])
assert bool(builtin_calls(ctypes.CDLL(bf.library_path()))) is {has_functions}
"""


def append(kind: str) -> None:
    its_own = create(kind)
    run(its_own, APPEND.format(path=sys.path, has_functions=False))
    interpreters.destroy(its_own)


def main(kind: str) -> None:
    failed: list[Any] = []

    def append_in_a_thread() -> None:
        try:
            append(kind)
        except BaseException as error:
            failed.append(error)

    exec(APPEND.format(path=sys.path, has_functions=True), {})
    for _ in range(3):
        append(kind)
        exec(APPEND.format(path=sys.path, has_functions=True), {})
    threads = [threading.Thread(target=append_in_a_thread) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed, failed
    exec(APPEND.format(path=sys.path, has_functions=True), {})
    print("done")


if __name__ == "__main__":
    main(sys.argv[1])
