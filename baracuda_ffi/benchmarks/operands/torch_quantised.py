"""Operands of appends that quantise, as torch tensors: rows, caches and scales of each format, and the places
of other operands."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..._model.enums import ElementKind, Transform
from ..._reference import formats
from .torch_operands import Operands, index_of, once_each, synchronise

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..running.paths import Call
    from .problem import Problem

SCALES = {"k_scale": 0.037, "v_scale": 0.025}  # no powers of two, by which it is easier to divide

_CHECKED_ROWS = 64  # the reference is slow
_SPOILT = 0x55


@dataclass(frozen=True)
class Format:
    """``name`` is what paths are called by. The caches' elements are ``bits`` of a byte's."""

    name: str
    transform: Transform
    element: ElementKind
    bits: int = 8


FP8 = Format("fp8", Transform.FP8, ElementKind.FP8_E4M3)
E4M3_BY_ROW = Format("e4m3 by token and head", Transform.PER_TOKEN_HEAD, ElementKind.FP8_E4M3)
INT8_BY_ROW = Format("int8 by token and head", Transform.PER_TOKEN_HEAD, ElementKind.I8)
NVFP4 = Format("nvfp4", Transform.NVFP4, ElementKind.U8, bits=4)
DS_MLA = Format("fp8_ds_mla", Transform.FP8_DS_MLA, ElementKind.U8)
FORMATS = (FP8, E4M3_BY_ROW, INT8_BY_ROW, NVFP4, DS_MLA)


def in_format(sets: list[Operands], form: Format) -> list[Operands]:
    """The sets with the same places, and normal numbers in rows, caches and scales of the format. What sets
    share they share there too. FP8_DS_MLA has rows of its own, bf16 without heads, and one cache."""
    rows = once_each(lambda operands: _rows(operands, form), sets, "key")
    caches = once_each(lambda operands: _caches(operands, form), sets, "k_data")
    return [
        replace(operands, problem=_problem(operands, form), **row, **cache)
        for operands, row, cache in zip(sets, rows, caches, strict=True)
    ]


def _problem(operands: Operands, form: Format) -> Any:
    problem = replace(operands.problem, transform=form.transform, target=form.element)
    if form is not DS_MLA:
        return problem
    return replace(
        problem,
        element="bf16",
        heads=1,
        head_dim=formats.RANK,
        value_head_dim=formats.ROPE,
        layout="NHD",
    )


def _rows(operands: Operands, form: Format) -> dict[str, Any]:
    problem, torch = operands.problem, operands.torch
    shapes: list[tuple[int, ...]] = [problem.row_shape] * 2
    dtype = operands.key.dtype
    if form is DS_MLA:
        shapes = [(problem.batch, formats.RANK), (problem.batch, formats.ROPE)]
        dtype = torch.bfloat16  # as models have it: vLLM's kernel takes the bits of f16 for integers
    key, value = (torch.randn(shape, device=operands.device).to(dtype) for shape in shapes)
    return {"key": key, "value": value}


def _caches(operands: Operands, form: Format) -> dict[str, Any]:
    problem, torch = operands.problem, operands.torch

    def zeros(*shape: int, dtype: Any = torch.uint8) -> Any:
        return torch.zeros(shape, dtype=dtype, device=operands.device)

    places = problem.cache_shape[:-1]
    by_row: dict[str, Any] = {}
    if form is DS_MLA:
        return {"k_data": zeros(problem.pages, problem.page_size, 656), "v_data": None, "scales": by_row}
    if form in (FP8, NVFP4):
        by_row = {name: torch.full((1,), scale, device=operands.device) for name, scale in SCALES.items()}
    if form is NVFP4:
        blocks = problem.head_dim // formats.BLOCK
        by_row |= {name: zeros(*places, blocks) for name in ("k_scales", "v_scales")}
    elif form is not FP8:
        shape = problem.pages, problem.page_size, problem.heads
        by_row = {name: zeros(*shape, dtype=torch.float32) for name in ("k_scales", "v_scales")}
    width = problem.head_dim * form.bits // 8
    made = {name: zeros(*places, width) for name in ("k_data", "v_data")}
    if form is INT8_BY_ROW:
        made = {name: cache.view(torch.int8) for name, cache in made.items()}
    elif form.bits == 8:
        made = {name: cache.view(torch.float8_e4m3fn) for name, cache in made.items()}
    return {**made, "scales": by_row}


def check_writes(operands: Operands, call: Call, *, exact: bool = True) -> None:
    """Execute the call once, and compare some of the rows that it should have written, and their scales, with
    the reference. Raises ``RuntimeError``. What is not ``exact`` may have codes that are a step off, and
    scales that are off in the last place, or where they are in the row be by another rule."""
    torch, problem = operands.torch, operands.problem
    last = problem.batch - 1
    some = torch.linspace(0, last, min(problem.batch, _CHECKED_ROWS), device=operands.device).long()
    written = _written(operands, call.layout or problem.layout)
    wanted = _wanted(operands, some)
    for name in wanted:
        memory, layout = written[name]
        memory[index_of(layout, operands.pages, operands.slots)] = _SPOILT
    synchronise(operands)
    call.once()
    synchronise(operands)
    where = operands.pages[some], operands.slots[some]
    for name, right in wanted.items():
        memory, layout = written[name]
        found = memory[index_of(layout, *where)].cpu().numpy()
        if not (found == right).all() and (exact or not _is_near(problem, found, right)):
            raise RuntimeError(f"it did not write to {name} what the rows become, where they belong")


def _is_near(problem: Problem, found: Any, right: Any) -> bool:
    if problem.transform is Transform.FP8_DS_MLA:  # by any scale: what is read back
        rows = [formats.ds_mla_numbers(each, problem.kind) for each in (found, right)]
        return bool((abs(rows[0] - rows[1]) <= abs(rows[1]) / 8 + abs(rows[1]).max() / 256).all())
    if found.dtype.kind == "f":
        return bool((abs(found - right) <= 1e-6 * right).all())
    steps = (found.astype(int) - right) % 256  # of bytes, which may be of int8
    return bool(((steps <= 1) | (steps == 255)).all())


def _written(operands: Operands, layout: str) -> dict[str, tuple[Any, str]]:
    """What is written, and in which layout it is seen."""
    if operands.v_data is None:
        return {"k_data": (operands.k_data, "NHD")}
    torch, caches = operands.torch, (operands.k_data, operands.v_data)
    if layout != operands.problem.layout:
        caches = operands.cache_as(layout)
    found = {
        name: (cache.view(torch.uint8), layout)
        for name, cache in zip(("k_data", "v_data"), caches, strict=True)
    }
    for name in ("k_scales", "v_scales"):
        if name in operands.scales:
            scales = operands.scales[name]
            found[name] = scales, operands.problem.layout if scales.ndim == 4 else "NHD"
    return found


def _wanted(operands: Operands, rows: Any) -> dict[str, Any]:
    """What those rows become, by the reference."""
    problem, scales = operands.problem, operands.scales

    def array(tensor: Any) -> Any:
        if tensor.dtype == operands.torch.bfloat16:  # which NumPy does not have
            return tensor.cpu().view(operands.torch.int16).numpy().view("uint16")
        return tensor.cpu().numpy()

    def numbers(tensor: Any) -> Any:
        return formats.widened(array(tensor), problem.kind)

    key, value = operands.key[rows], operands.value[rows]
    if problem.transform is Transform.FP8_DS_MLA:
        return {"k_data": formats.ds_mla_rows(numbers(key), array(value))}
    wanted: dict[str, Any] = {}
    for part, tensor in (("k", key), ("v", value)):
        if problem.transform is Transform.FP8:
            scale = array(scales[f"{part}_scale"])
            wanted[f"{part}_data"] = formats.quantised_by(numbers(tensor), scale, problem.cache.element)
            continue
        made: tuple[Any, Any]
        if problem.transform is Transform.NVFP4:
            made = formats.nvfp4_rows(numbers(tensor), array(scales[f"{part}_scale"]))
        else:
            made = formats.quantised_by_row(numbers(tensor), problem.cache.element)
        wanted[f"{part}_data"], wanted[f"{part}_scales"] = made
    return wanted
