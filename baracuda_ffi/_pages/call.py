"""One call that copies pages: the way that all of its functions take to the library."""

from __future__ import annotations

from ctypes import addressof, sizeof

from .._interop.streams import handle_or_host
from .._interop.tensors import tensor_of
from .._model.checks import instance
from .._model.enums import BackendKind
from .._model.errors import BaracudaError, invalid_problem
from .._native import abi
from .._native.library import NOT_JUDGED, library

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .._append.error_record import ErrorRecord
    from .._interop.protocols import Operand, Stream
    from .._native.library import Library

    # By abi.COPY_OPERANDS.
    CopyOperands = tuple[Operand | None, Operand | None, Operand | None, Operand | None, Operand | None]
    # Of a copy what its struct says, but for operands, stream and record: the movement, whether there is no
    # v_data, whether it is on the host, and whether it is guarded.
    Form = tuple[int, bool, bool, bool]

_CACHES = ("k_data", "v_data", "kv_data")
_V_DATA = 1
# The operands that there have to be.
_WANTED = {abi.MOVEMENT_COPY: (0, 2, 3), abi.MOVEMENT_GATHER: (0, 2, 4), abi.MOVEMENT_SCATTER: (0, 3, 4)}

_structs: dict[Form, bytes] = {}


def copy(
    function: str,
    movement: int,
    operands: CopyOperands,
    kv_data: Operand | None,
    stream: Stream,
    guarded: bool,
    error_record: ErrorRecord | None,
) -> None:
    """Copy between the caches and what else there is of ``abi.COPY_OPERANDS``. Raises for ``function``."""
    operands = operands_of(function, movement, operands, kv_data)
    if type(guarded) is not bool:
        instance(function, "guarded", guarded, bool)
    form = (movement, operands[_V_DATA] is None, stream is None, guarded or stream is not None)
    op = _structs.get(form) or _structs.setdefault(form, _struct(form))
    if error_record is not None:
        op = _recording(function, op, error_record, stream is None)
    opened = library()
    status = opened.copy(op, stream, operands)
    if status == NOT_JUDGED:
        status = _copy_described(opened, function, op, stream, operands, kv_data is not None)
    if status:
        raise opened.error(function, status)


def operands_of(
    function: str, movement: int, operands: CopyOperands, kv_data: Operand | None
) -> CopyOperands:
    """The operands, with both caches in one as one, whose pages have K and V in them. Raises for one that is
    missing."""
    if kv_data is not None:
        if operands[0] is not None or operands[_V_DATA] is not None:
            raise invalid_problem(
                function, "kv_data is given and k_data or v_data too; kv_data stands for both"
            )
        operands = (kv_data, *operands[1:])
    for i in _WANTED[movement]:
        if operands[i] is None:
            name = abi.COPY_OPERANDS[i]
            raise invalid_problem(function, f"{name} is None; it should be an array, or a TensorView")
    return operands


def is_written(movement: int, name: str) -> bool:
    """Of an operand, kv_data and error_record among them."""
    if name in _CACHES:
        return movement != abi.MOVEMENT_GATHER
    return name == "error_record" or (name == "buffer" and movement == abi.MOVEMENT_GATHER)


def _struct(form: Form) -> bytes:
    movement, is_k_alone, on_host, judged = form
    return bytes(
        abi.Copy(
            struct_size=sizeof(abi.Copy),
            flags=abi.FLAG_STRIDED | (abi.FLAG_GUARDED if judged else 0),
            backend=BackendKind.HOST if on_host else BackendKind.BESPOKE,
            movement=movement,
            parts=abi.PARTS_KEY if is_k_alone else abi.PARTS_KEY_AND_VALUE,
        )
    )


def _recording(function: str, op: bytes, error_record: ErrorRecord, on_host: bool) -> bytes:
    from .._append.error_record import ErrorRecord

    record = instance(function, "error_record", error_record, ErrorRecord)
    copied = abi.Copy.from_buffer_copy(op)
    if not copied.flags & abi.FLAG_GUARDED:
        raise invalid_problem(
            function, "error_record is given and the copy is not guarded; pass guarded=True with it"
        )
    record._check_reachable(function, on_host)
    record.will_be_launched()
    copied.error_record = record.address
    return bytes(copied)


def _copy_described(
    opened: Library,
    function: str,
    op: bytes,
    stream: Stream,
    operands: CopyOperands,
    both_in_one: bool,
) -> int:
    """Of operands, or on a stream, of kinds that ``Library.copy`` may not judge as they are: each by whatever
    protocol it has."""
    described = abi.Copy.from_buffer_copy(op)
    described.stream = handle_or_host(function, stream)
    pointers = abi.CopyPointers()
    kept = []
    for i, operand in enumerate(operands):
        if operand is not None:
            name = "kv_data" if both_in_one and i == 0 else abi.COPY_OPERANDS[i]
            try:
                pointers[i], keep = tensor_of(operand, name, is_written(described.movement, name))
            except BaracudaError as error:
                error.function = function
                raise
            kept.append(keep)
    return opened.bind_copy(addressof(described), addressof(pointers), len(pointers)) or opened.run_copy(
        addressof(described)
    )
