"""From an operand, whatever it is, to a ``baracuda_tensor``.

Only what the C library cannot see is judged here and in ``arrays``: whether the object describes memory at
all, whether that may be written, and types that DLPack has no number for. Shapes, strides, types and devices
are the library's to check.
"""

from __future__ import annotations

from operator import attrgetter

from .._model.checks import in_words
from .._model.errors import BaracudaError, invalid_problem
from .._model.foreign import passes, refusal
from .._native import abi
from .._native.accelerator import describers, slot_offset
from .kv_pair import CacheOfPair
from .tensor_view import TensorView

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_ME = "PagedKvAppendArgs"


def tensor_of(operand: Any, name: str, written: bool | None = None) -> tuple[int, object]:
    """The address of a ``baracuda_tensor`` that describes the operand, and what must live as long as that, or
    the memory that it describes, is used. ``written`` says whether it is written, where its name does not.

    Protocols in order: ``TensorView``, DLPack's C table, NumPy, ``__dlpack__``, ``__cuda_array_interface__``.
    Without capsules (on an interpreter that has no ``ctypes.pythonapi``) DLPack's are passed over. No
    protocol is asked to synchronise. Raises ``InvalidProblem`` or ``Unsupported``, naming the operand.
    """
    kind = type(operand)
    if written is None:
        written = name in abi.WRITTEN_OPERANDS
    try:
        if issubclass(kind, TensorView):
            described = operand._described
            return described.tensor, (operand, described)
        if kind is CacheOfPair:
            pair: CacheOfPair = operand
            return pair.described_by(tensor_of)
        from .arrays import tensor_of_array  # and with it all that a view has no use for

        found = tensor_of_array(operand, name, written)
    except BaracudaError:
        raise
    except Exception as error:
        if passes(error):
            raise
        raise refusal(_ME, f"{name}, {in_words(operand)}, could not be described", error) from error
    if found is not None:
        return found
    raise invalid_problem(
        _ME,
        f"{name} is {in_words(operand)}; it should be a NumPy array, an object with __dlpack__ or "
        f"__cuda_array_interface__, or a TensorView{_instead_of_numbers(operand, name)}",
    )


def _instead_of_numbers(operand: object, name: str) -> str:
    if isinstance(operand, (list, tuple, range)):
        return " (numpy.array makes one of it)"
    if name not in abi.SCALE_OPERANDS or not hasattr(operand, "__float__"):
        return ""
    if name in abi.WRITTEN_OPERANDS:
        return f": scales are written there; what values are divided by is {name[:-1]}"
    return (
        ": a number would be frozen into a CUDA graph, which reads memory anew. Give float32 of shape "
        "(1,) or (num_kv_heads,) in the caches' kind of memory: numpy.array([scale], numpy.float32), "
        "torch.tensor([scale], device='cuda')"
    )


describers[TensorView] = _kept_capsule = attrgetter("_capsule")
if (_offset := slot_offset(TensorView, "_capsule")) is not None:
    describers[_kept_capsule] = _offset
if (_whole := slot_offset(CacheOfPair, "whole")) and (_half := slot_offset(CacheOfPair, "_half")):
    describers[CacheOfPair] = _whole_of = attrgetter("whole")
    describers[_whole_of] = _whole, _half
