"""Appends and copies pages by every CUDA backend, of memory that only a shim of a driver takes for memory.

Prints what each call raised, as JSON: class, CUDA's name and text, or null.
"""

from __future__ import annotations

import json
from typing import Any

import baracuda_ffi as bf

PAGES, HEADS, PAGE, WIDTH, REQUESTS, TOKENS = 8, 2, 4, 128, 3, 700
STREAM = 0x1000


def view(shape: tuple[int, ...], element: str, at: int = 0) -> Any:
    return bf.TensorView(ptr=(1 << 40) + at * 0x10000000, shape=shape, element=element, device=0)


def rows(count: int) -> dict[str, Any]:
    return {"key": view((count, HEADS, WIDTH), "f16"), "value": view((count, HEADS, WIDTH), "f16", 1)}


def caches(element: str) -> dict[str, Any]:
    shape = (PAGES, HEADS, PAGE, WIDTH)
    return {"k_data": view(shape, element, 2), "v_data": view(shape, element, 3)}


def table() -> dict[str, Any]:
    return {"indices": view((PAGES,), "i32", 4), "indptr": view((REQUESTS + 1,), "i32", 5)}


def scales() -> dict[str, Any]:
    return {"k_scale": view((1,), "f32", 9), "v_scale": view((1,), "f32", 10)}


def calls() -> dict[str, Any]:
    lengths = {"last_page_len": view((REQUESTS,), "i32", 6)}
    places = {"batch_indices": view((TOKENS,), "i32", 7), "positions": view((TOKENS,), "i32", 8)}
    slots = {"slot_mapping": view((TOKENS,), "i64", 7)}
    pages = {"source": view((5,), "i32", 7), "destination": view((5,), "i32", 8)}
    return {
        "decode": lambda: bf.append_paged_kv(
            **rows(REQUESTS), **caches("f16"), **table(), **lengths, stream=STREAM, backend="FLASHINFER"
        ),
        "positions": lambda: bf.append_paged_kv(
            **rows(TOKENS), **caches("f16"), **table(), **places, stream=STREAM, backend="FLASHINFER"
        ),
        "copy": lambda: bf.append_paged_kv(**rows(TOKENS), **caches("f16"), **slots, stream=STREAM),
        "quantise": lambda: bf.append_paged_kv(
            **rows(TOKENS), **caches("fp8_e4m3"), **slots, **scales(), stream=STREAM
        ),
        "pages": lambda: bf.copy_pages(**caches("f16"), **pages, stream=STREAM),
    }


def main() -> None:
    raised: dict[str, list[Any]] = {}
    for name, call in calls().items():
        for _ in range(2):
            try:
                call()
                raised.setdefault(name, []).append(None)
            except bf.BaracudaError as error:
                raised.setdefault(name, []).append(
                    [type(error).__name__, getattr(error, "name", ""), str(error)]
                )
    print(json.dumps(raised))


if __name__ == "__main__":
    main()
