"""One call that copies pages: the way that all of its functions take to the library."""

from __future__ import annotations

from ctypes import addressof, sizeof

from .._interop.streams import handle_or_host
from .._interop.tensors import tensor_of
from .._model.checks import instance
from .._model.enums import BackendKind
from .._model.errors import BaracudaError, invalid_problem
from .._native import abi
from .._native.library import library

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .._append.error_record import ErrorRecord
    from .._interop.protocols import Operand, Stream

_CACHES = ("k_data", "v_data", "kv_data")


def copy(
    function: str,
    movement: int,
    k_data: Operand | None,
    v_data: Operand | None,
    kv_data: Operand | None,
    others: dict[str, Operand | None],
    stream: Stream,
    guarded: bool,
    error_record: ErrorRecord | None,
) -> None:
    """Copy between the caches and what ``others`` names of ``abi.COPY_OPERANDS``. Raises for ``function``."""
    named = operands_of(function, k_data, v_data, kv_data, others)
    on_host = stream is None
    judged = instance(function, "guarded", guarded, bool) or not on_host
    op = abi.Copy(
        struct_size=sizeof(abi.Copy),
        flags=abi.FLAG_STRIDED | (abi.FLAG_GUARDED if judged else 0),
        backend=BackendKind.HOST if on_host else BackendKind.BESPOKE,
        movement=movement,
        parts=abi.PARTS_KEY if named["v_data"] is None else abi.PARTS_KEY_AND_VALUE,
        stream=handle_or_host(function, stream),
    )
    if error_record is not None:
        _set_record(function, op, error_record, on_host)
    pointers = abi.CopyPointers()
    kept = []
    for i, name in enumerate(abi.COPY_OPERANDS):
        operand = named.get(name)
        if operand is not None:
            shown = "kv_data" if kv_data is not None and name == "k_data" else name
            pointers[i], keep = _described(function, operand, shown, is_written(movement, name))
            kept.append(keep)
    opened = library()
    status = opened.bind_copy(addressof(op), addressof(pointers), len(pointers)) or opened.run_copy(
        addressof(op)
    )
    if status:
        raise opened.error(function, status)


def operands_of(
    function: str,
    k_data: Operand | None,
    v_data: Operand | None,
    kv_data: Operand | None,
    others: dict[str, Operand | None],
) -> dict[str, Operand | None]:
    """The operands by the library's names: both caches in one are one, whose pages have K and V in them.
    Raises for one that is missing."""
    if kv_data is not None and (k_data is not None or v_data is not None):
        raise invalid_problem(function, "kv_data is given and k_data or v_data too; kv_data stands for both")
    named = {"k_data": k_data if kv_data is None else kv_data, "v_data": v_data} | others
    for name, operand in named.items():
        if operand is None and name != "v_data":
            raise invalid_problem(function, f"{name} is None; it should be an array, or a TensorView")
    return named


def is_written(movement: int, name: str) -> bool:
    if name in _CACHES:
        return movement != abi.MOVEMENT_GATHER
    return name == "error_record" or (name == "buffer" and movement == abi.MOVEMENT_GATHER)


def _described(function: str, operand: Operand, name: str, written: bool) -> tuple[int, object]:
    try:
        return tensor_of(operand, name, written)
    except BaracudaError as error:
        error.function = function
        raise


def _set_record(function: str, op: abi.Copy, error_record: ErrorRecord, on_host: bool) -> None:
    from .._append.error_record import ErrorRecord

    record = instance(function, "error_record", error_record, ErrorRecord)
    if not op.flags & abi.FLAG_GUARDED:
        raise invalid_problem(
            function, "error_record is given and the copy is not guarded; pass guarded=True with it"
        )
    record._check_reachable(function, on_host)
    record.will_be_launched()
    op.error_record = record.address
