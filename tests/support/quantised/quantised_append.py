"""One append that quantises: rows and caches of two types as views of larger memory, and scales in every form
they take; a `RealAppend` but for that.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

import baracuda_ffi as bf

from ..damaged.page_tables import convention_for
from ..devices.bits import Array
from ..problems.elements import BF16, F16, F32, FP8_E4M3, FP8_E5M2, I8, U8, Element
from ..views.real_append import ROW_NAMES, RealAppend, RealCase, as_packed, draw_table
from ..views.views import CACHES, ROWS, Extents, Memory

SOURCES = (F16, BF16, F32)

#: What each transform writes.
TARGETS = {
    "FP8": (FP8_E4M3, FP8_E5M2),
    "PER_TOKEN_HEAD": (FP8_E4M3, I8),
    "FP8_DS_MLA": (U8,),
    "NVFP4": (U8,),
}
KINDS = [(transform, element) for transform, elements in TARGETS.items() for element in elements]
KIND_IDS = [f"{transform}-{element.symbol}" for transform, element in KINDS]

#: Scales that are given: of an engine, where results are no numbers, and where they are none of a kind.
SCALES = (1.0, 0.037, 3.0, 2.0**-7, 1e-42, 3e38, 0.0, -0.0, -1.5, np.nan, np.inf)

#: How k_scale is shaped.
SCALE_FORMS = ("one", "heads", "none")

#: Where k_scales lie. Of NVFP4, whose are as the caches, all of `views.CACHES` besides.
ROW_SCALES = ("packed", "heads-outermost", "padded", "interleaved", "inline")
BLOCK_SCALES = (*CACHES, "behind")

DS_MLA_ROW = 656
BLOCK = 16


@dataclass(frozen=True)
class QuantisedCase(RealCase):
    transform: str = "FP8"
    source: Element = F16
    scale: str = "one"
    scales: str = "packed"
    values: str = "bits"  # of the rows: any bits, or numbers of one size

    def __str__(self) -> str:
        return (
            f"{self.transform} from {self.source.symbol} {self.values}, scale {self.scale}, "
            f"scales {self.scales}: {super().__str__()}"
        )

    @property
    def is_valid(self) -> bool:
        if (
            convention_for(self.way, self.convention) != self.convention
            or self.element not in TARGETS[self.transform]
        ):
            return False
        if self.held != "none" and self.element not in (FP8_E4M3, FP8_E5M2):
            return False
        if self.scales == "inline" and (self.transform != "PER_TOKEN_HEAD" or self.caches != "packed"):
            return False
        if self.scales == "behind" and self.caches != "packed":
            return False
        if self.scales not in (BLOCK_SCALES if self.transform == "NVFP4" else ROW_SCALES):
            return False
        if self.transform == "NVFP4":
            return all(width % BLOCK == 0 for width in self.widths)
        if self.transform == "FP8_DS_MLA":
            # Its rows begin at multiples of 4, and have no head dimension.
            mla = self.widths in ((512, 64), (512, 0)) and self.heads == 0 and self.source is not F32
            return mla and self.caches not in ("odd-rows", "padded-pages") and not self.scale_is_given
        return True

    @property
    def scale_is_given(self) -> bool:
        return self.transform in ("FP8", "NVFP4")

    @property
    def writes_scales(self) -> bool:
        return self.transform in ("PER_TOKEN_HEAD", "NVFP4")

    def width_in_cache(self, width: int) -> int:
        return {"NVFP4": width // 2, "FP8_DS_MLA": DS_MLA_ROW}.get(self.transform, width)


class QuantisedAppend(RealAppend):
    case: QuantisedCase

    @property
    def descriptor(self) -> bf.PagedKvAppendDescriptor:
        case, copy = self.case, super().descriptor
        cache = copy.paged_kv
        if case.transform == "FP8_DS_MLA":  # without kpe too
            cache = bf.PagedKvCacheDescriptor(
                page_size=cache.page_size,
                num_total_pages=cache.num_total_pages,
                num_kv_heads=1,
                head_dim=512,
                value_head_dim=64,
                element=cache.element,
            )
        return bf.PagedKvAppendDescriptor(
            batch_size=copy.batch_size,
            paged_kv=cache,
            length_convention=copy.length_convention,
            addressing=copy.addressing,
            table=copy.table,
            lengths=copy.lengths,
            transform=case.transform,  # type: ignore[arg-type]
            source_element=case.source.kind,
        )

    @property
    def said_to_the_oracle(self) -> dict[str, Any]:
        return {"transform": self.case.transform, "element": self.case.kind}

    @property
    def said_to_the_one_liner(self) -> dict[str, Any]:
        """As little as there can be: scales say which of two transforms it is."""
        said: dict[str, Any] = {}
        if self.case.transform in ("FP8_DS_MLA", "NVFP4"):
            said["transform"] = self.case.transform
        if self.case.held == "caches":
            said["element"] = self.case.kind
        return said

    @property
    def is_refused_if_corrupt(self) -> bool:
        return self.case.entrance in UNGUARDED

    def packed(self, seed: int) -> QuantisedAppend:
        case = as_packed(self.case)
        assert isinstance(case, QuantisedCase)
        return make(case, seed, requests=self.requests, pages=self.pages)


#: The ways in that refuse on the host what is corrupt; none is held to baracuda-kernels' checks.
UNGUARDED = ("one-liner", "unguarded run", "unguarded bind")


def _numbers(rng: np.random.Generator, rows: Array) -> None:
    """Of a size that a model's are."""
    if rows.flags.writeable:
        rows[...] = (rng.normal(size=rows.shape) * 10.0 ** rng.integers(-3, 3)).astype(rows.dtype)


def _row_scales(memory: Memory, form: str, e: Extents) -> tuple[Array, Array]:
    """[pages, slots, heads] of float32, twice."""
    shape = (e.pages, e.slots, e.heads)
    if form == "heads-outermost":
        both = [memory.new((e.heads, e.pages, e.slots), np.float32).transpose(1, 2, 0) for _ in range(2)]
    elif form == "padded":
        both = [memory.new((*shape[:2], e.heads + 1), np.float32)[..., 1:] for _ in range(2)]
    elif form == "interleaved":
        pool = memory.new((e.pages, 2, e.slots, e.heads), np.float32)
        both = [pool[:, 0], pool[:, 1]]
    else:
        both = [memory.new(shape, np.float32) for _ in range(2)]
    return both[0], both[1]


def _with_inline_scales(memory: Memory, e: Extents, layout: str) -> tuple[list[Array], list[Array]]:
    """A row's scale behind it, in one row of the cache."""
    caches, scales = [], []
    for width in (e.width, e.value_width):
        padded = -(-width // 4) * 4
        whole = memory.new((e.pages, *e.in_page(layout), padded + 4), np.uint8)
        caches.append(whole[..., :width].view(e.element.dtype))
        tails = whole.view(np.float32)[..., -1]
        scales.append(tails.swapaxes(1, 2) if layout == "HND" else tails)
    return caches, scales


def _with_scales_behind(
    memory: Memory, e: Extents, blocks: Extents, layout: str
) -> tuple[list[Array], list[Array]]:
    """Pages of K's data, K's scales, V's data, V's scales: vLLM's."""
    in_page = e.in_page(layout)
    rows = e.heads * e.slots
    widths = (e.width, blocks.width, e.value_width, blocks.value_width)
    pages = memory.new((e.pages, rows * sum(widths)), np.uint8)
    parts = np.split(pages, np.cumsum([rows * width for width in widths])[:-1], axis=1)
    views = [
        np.lib.stride_tricks.as_strided(
            part,
            (e.pages, *in_page, width),
            (part.strides[0], in_page[1] * width, width, 1),
        )
        for part, width in zip(parts, widths, strict=True)
    ]
    return views[0::2], views[1::2]


def _caches_and_scales(memory: Memory, case: QuantisedCase, e: Extents) -> dict[str, Array]:
    if case.scales == "inline":
        caches, scales = _with_inline_scales(memory, e, case.layout)
        return dict(zip(("k_data", "v_data", "k_scales", "v_scales"), caches + scales, strict=True))
    if case.transform == "NVFP4":
        width, value_width = (width // BLOCK or e.width * 2 // BLOCK for width in case.widths)
        blocks = Extents(e.rows, e.heads, width, value_width, e.pages, e.slots, U8)
        if case.scales == "behind":
            caches, scales = _with_scales_behind(memory, e, blocks, case.layout)
        else:
            caches = list(CACHES[case.caches](memory, e, case.layout))
            scales = list(CACHES[case.scales](memory, blocks, case.layout))
        return dict(zip(("k_data", "v_data", "k_scales", "v_scales"), caches + scales, strict=True))
    views = dict(zip(("k_data", "v_data"), CACHES[case.caches](memory, e, case.layout), strict=True))
    if case.writes_scales:
        views |= dict(zip(("k_scales", "v_scales"), _row_scales(memory, case.scales, e), strict=True))
    return views


def _given_scale(memory: Memory, form: str, heads: int) -> Array:
    """Of shape [1] or [heads], or without dimensions."""
    values = memory.rng.choice(SCALES, heads if form == "heads" else 1).astype(np.float32)
    held = memory.of(values)
    return held.reshape(()) if form == "none" else held


def make(case: QuantisedCase, seed: int, *, requests: int = 5, pages: int | None = None) -> QuantisedAppend:
    """The append that `case` says."""
    memory = Memory(seed)
    extent, pages, table = draw_table(memory.rng, case, requests, pages)
    rows = extent.rows
    heads = max(case.heads, 1)
    width, value_width = case.widths
    of_rows = Extents(rows, heads, width, value_width or width, pages, case.page_size, case.source)
    widths = (case.width_in_cache(width), case.width_in_cache(value_width or width))
    of_caches = Extents(rows, heads, *widths, pages, case.page_size, case.element)
    views = dict(zip(ROW_NAMES, ROWS[case.rows](memory, of_rows), strict=True))
    if case.values == "numbers":
        for row in views.values():
            _numbers(memory.rng, row)
    views |= _caches_and_scales(memory, case, of_caches)
    if not case.heads:
        heads_at = -3 if case.layout == "HND" else -2
        for name in views:
            at = 1 if name in ROW_NAMES else heads_at
            if name.endswith("scales") and case.transform == "PER_TOKEN_HEAD":
                at = -1
            views[name] = views[name].squeeze(at)
    if case.scale_is_given:
        views["k_scale"] = _given_scale(memory, case.scale, heads)
        views["v_scale"] = _given_scale(memory, case.scale, heads)
    if case.transform == "FP8_DS_MLA":
        del views["v_data"]
    if not value_width:
        for name in ("value", "v_data", "v_scale", "v_scales"):
            views.pop(name, None)
    views |= {name: memory.of(part) for name, part in table.items()}
    return QuantisedAppend(case, memory, pages, views)
