"""What `import baracuda_ffi` loads, and what it does not: no array package, no CUDA, not even the library."""

from __future__ import annotations

import ast
import json
import time
from pathlib import Path
from typing import Any

import pytest

import baracuda_ffi as bf
from baracuda_ffi import _api
from support.processes.python import output_of

REPORT = "import json, sys; print(json.dumps(sorted(sys.modules)))"
SMALL = {
    "__future__",
    "_weakrefset",
    "enum",
    "functools",
    "importlib",
    "operator",
    "threading",
    "types",
    "warnings",
}
HEAVY = {"numpy", "torch", "cupy", "jax", "numba", "ml_dtypes", "cuda", "rich", "warp"}


def modules_after(program: str) -> set[str]:
    return set(json.loads(output_of(f"{program}\n{REPORT}")))


def test_no_array_package_is_loaded() -> None:
    loaded = modules_after("import baracuda_ffi")
    assert {name.split(".")[0] for name in loaded} & HEAVY == set()


def test_few_modules_are_loaded() -> None:
    """Beyond a bare interpreter and ctypes: ours, and next to nothing of the standard library."""
    bare = modules_after("import ctypes, json, sys")
    added = modules_after("import ctypes, json, sys, baracuda_ffi") - bare
    foreign = {name for name in added if not name.startswith("baracuda_ffi")}
    assert {name.split(".")[0] for name in foreign} <= SMALL
    assert len(added) < 40


def test_a_name_loads_what_it_needs() -> None:
    def ours(name: str) -> set[str]:
        loaded = modules_after(f"import baracuda_ffi as bf\nbf.{name}")
        return {module.partition(".")[2] for module in loaded if module.startswith("baracuda_ffi.")}

    not_a_call = {"_append.bound_launch", "_append.error_record", "_native.about"}
    assert ours("ElementKind") == {"_api", "_model", "_model.enums"}
    assert not {"_append.one_call", *not_a_call} & ours("PagedKvAppendPlan")
    assert not {"_append.plan", *not_a_call} & ours("append_paged_kv")


def test_neither_the_library_nor_a_driver_is_loaded() -> None:
    program = "import baracuda_ffi\nmaps = open('/proc/self/maps').read()\nassert 'baracuda' not in maps\n"
    assert "baracuda_ffi" in modules_after(program + "assert 'libcuda' not in maps")


def test_the_descriptors_and_errors_need_no_numpy_and_no_library() -> None:
    program = (
        "import baracuda_ffi as bf\n"
        "cache = bf.PagedKvCacheDescriptor(page_size=1, num_total_pages=1, num_kv_heads=1, head_dim=64,\n"
        "                                  element=bf.ElementKind.F16)\n"
        "desc = bf.PagedKvAppendDescriptor(batch_size=1, paged_kv=cache)\n"
        "view = bf.TensorView(ptr=0, shape=(1,), element='i32')\n"
        "manager = bf.BlockManager(num_pages=4, page_size=16)\n"
        "manager.grow(manager.add([1, 2]), [1, 2])\n"
        "assert 'baracuda' not in open('/proc/self/maps').read()\n"
    )
    assert "numpy" not in modules_after(program)


def test_a_host_append_by_pointers_needs_no_numpy() -> None:
    program = (
        "import ctypes, baracuda_ffi as bf\n"
        "def view(count, element, *shape):\n"
        "    raw = ctypes.create_string_buffer(count + 16)\n"
        "    keep.append(raw)\n"
        "    address = ctypes.addressof(raw)\n"
        "    return bf.TensorView(ptr=address + -address % 16, shape=shape, element=element)\n"
        "keep = []\n"
        "F16 = bf.ElementKind.F16\n"
        "rows = [view(128, F16, 1, 1, 64) for _ in range(2)]\n"
        "caches = [view(256, F16, 1, 1, 2, 64) for _ in range(2)]\n"
        "table = [view(4, 'i32', 1), view(8, 'i32', 2), view(4, 'i32', 1)]\n"
        "ctypes.c_int32.from_address(table[1].ptr + 4).value = 1\n"
        "ctypes.memset(rows[0].ptr, 7, 128)\n"
        "bf.append_paged_kv(*rows, *caches, *table, stream=None)\n"
        "assert ctypes.string_at(caches[0].ptr, 256) == bytes([7]) * 128 + bytes(128)\n"
    )
    loaded = modules_after(program)
    assert {name.split(".")[0] for name in loaded} & HEAVY == set()


def test_every_public_name_is_there() -> None:
    """To the loader, to type checkers and to ``import *`` the same, each from the module that defines it."""
    checked = {
        name.asname or name.name: node.module
        for node in ast.walk(ast.parse(Path(_api.__file__).read_text()))
        if isinstance(node, ast.ImportFrom) and node.module != "__future__" and node.module is not None
        for name in node.names
    }
    assert checked == _api._MODULE_OF
    assert sorted(checked) == sorted(_api.__all__)
    assert {*checked, "reference"} == set(bf.__all__) <= set(dir(bf))
    for name, module in checked.items():
        assert getattr(bf, name).__module__ == f"baracuda_ffi.{module}", name


@pytest.mark.slow
def test_the_time_that_the_import_adds(record_property: Any) -> None:
    """Reported, and bounded only against something gone badly wrong: machines differ."""

    def milliseconds(program: str) -> float:
        taken = []
        for _ in range(7):
            start = time.perf_counter()
            output_of(program)
            taken.append(1e3 * (time.perf_counter() - start))
        return min(taken)

    added = milliseconds("import baracuda_ffi") - milliseconds("pass")
    record_property("milliseconds added by the import", round(added, 1))
    print(f"import baracuda_ffi adds {added:.1f} ms")
    assert added < 400
