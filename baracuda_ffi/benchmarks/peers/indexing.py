"""Assignment through index arrays, as torch, CuPy and NumPy have it, with the indices made before."""

from __future__ import annotations

from ..absent import optional
from ..running.paths import Call

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..operands.torch_operands import Operands

TORCH = "torch index_put, K and V"
CUPY = "CuPy indexing, K and V"
NUMPY = "NumPy indexing, K and V"
NUMPY_FP8 = "NumPy and ml_dtypes, K and V to fp8"

_STATEMENTS = {
    "HND": "k_data[pages, :, slots] = key; v_data[pages, :, slots] = value",
    "NHD": "k_data[pages, slots] = key; v_data[pages, slots] = value",
}


def torch_index_put(operands: Operands) -> Call:
    """fp8 as bytes: a copy does not look into its elements, and not every release's index_put has fp8."""
    as_bytes = operands.problem.kind.itemsize == 1

    def view(tensor: Any) -> Any:
        return tensor.view(operands.torch.uint8) if as_bytes else tensor

    names = {name: view(tensor) for name, tensor in _arrays(operands).items()}
    return by_index(operands.problem.layout, names, operands.pages, operands.slots)


def cupy_indexing(operands: Operands, stream: int) -> Call:
    """On the stream with that handle, which becomes CuPy's current one in this thread."""
    cupy = optional("cupy", "CuPy")
    cupy.cuda.ExternalStream(stream).use()
    names = {name: cupy.from_dlpack(tensor) for name, tensor in _arrays(operands).items()}
    pages, slots = cupy.from_dlpack(operands.pages), cupy.from_dlpack(operands.slots)
    return by_index(operands.problem.layout, names, pages, slots)


def _arrays(operands: Operands) -> dict[str, Any]:
    seven = operands.seven()
    return {name: seven[name] for name in ("key", "value", "k_data", "v_data")}


def by_index(layout: str, names: dict[str, Any], pages: Any, slots: Any) -> Call:
    """Of arrays of one kind."""
    return Call(_STATEMENTS[layout], {**names, "pages": pages, "slots": slots})


def to_fp8_by_index(layout: str, names: dict[str, Any], pages: Any, slots: Any) -> Call:
    """Of NumPy's arrays, with ``k_scale`` and ``v_scale``: divided, and clipped, since a cast makes NaN of
    what is beyond 448."""
    import numpy as np

    fp8 = optional("ml_dtypes", "ml_dtypes").float8_e4m3fn
    caches = {name: names[name].view(fp8) for name in ("k_data", "v_data")}
    statement = _STATEMENTS[layout]
    for rows, scale in (("key", "k_scale"), ("value", "v_scale")):
        quantised = f"divide({rows}, {scale}, dtype=float32).clip(-448, 448).astype(fp8)"
        statement = statement.replace(f"= {rows}", f"= {quantised}")
    functions = {"divide": np.divide, "float32": np.float32, "fp8": fp8}
    return Call(statement, {**names, **caches, **functions, "pages": pages, "slots": slots})
