"""The windows into a page table's arrays: which an append or an attention takes, and how long they are."""

from __future__ import annotations

from ..._append.addressing import set_for
from ..._interop.tensor_view import TensorView
from ..._model.checks import choice, instance
from ..._model.enums import Addressing, LengthConvention, LengthsKind, TableKind
from ..._model.errors import invalid_problem

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray

    from .arena import Arena
    from .mirror import Mirror
    from .requests import Requests


class Views:
    """NumPy arrays; with a mirror a ``TensorView`` each, of device memory."""

    __slots__ = ("_arena", "_mirror", "_requests")

    def __init__(self, arena: Arena, requests: Requests, mirror: Mirror | None) -> None:
        self._arena, self._requests, self._mirror = arena, requests, mirror

    def append(
        self,
        function: str,
        addressing: object,
        table: object,
        lengths: object,
        length_convention: object,
        padded: bool,
        stated: bool,
    ) -> dict[str, Any]:
        """For an append by this form. ``stated``: with the convention that its lengths follow."""
        instance(function, "padded", padded, bool)
        place = choice(function, "addressing", addressing, Addressing)
        has_lengths = place in (Addressing.LAST_PAGE, Addressing.RAGGED)
        kind = choice(function, "table", table, TableKind) if has_lengths else TableKind.CSR
        by = choice(function, "lengths", lengths, LengthsKind) if has_lengths else LengthsKind.LAST_PAGE_LEN
        operands = set_for(function, place, kind, by)
        convention = operands.convention(function, length_convention)
        before = has_lengths and convention is LengthConvention.BEFORE_APPEND
        if place is Addressing.LAST_PAGE:
            self._check_decode(function, before and by is LengthsKind.SEQ_LENS, padded)
        view = {}
        for operand in operands.names:
            counts = operand in ("last_page_len", "seq_lens")
            view[operand] = self.of(f"{operand} before" if counts and before else operand, padded)
        if has_lengths and stated:
            view["length_convention"] = convention
        return view

    def attention(self, function: str, table: object, padded: bool) -> dict[str, Any]:
        instance(function, "padded", padded, bool)
        kind = choice(function, "table", table, TableKind)
        pages = ("block_table",) if kind is TableKind.DENSE else ("indices", "indptr", "last_page_len")
        return {name: self.of(name, padded) for name in (*pages, "seq_lens", "append_indptr")}

    def copies(self, function: str, padded: bool) -> dict[str, Any]:
        instance(function, "padded", padded, bool)
        return {name: self.of(name, padded) for name in ("source", "destination")}

    def of(self, name: str, padded: bool) -> Any:
        """One of the arena's arrays, ``padded`` or as long as the batch needs."""
        array = self._arena.arrays[name]
        if not padded:
            array = array[: self._count(name, array)]
        if self._mirror is None:
            return array
        return TensorView(
            ptr=self._mirror.address + self._arena.offsets[name],
            shape=array.shape,
            element="i64" if array.itemsize == 8 else "i32",
            device=self._mirror.ordinal,
        )

    def _check_decode(self, function: str, must_be_full: bool, padded: bool) -> None:
        """One row a request, since row ``i`` is request ``i``'s."""
        batch, lengths = self._requests.batch, self._arena.arrays["seq_lens"]
        ends = self._arena.arrays["append_indptr"][: batch + 1].tolist()
        for i, (begin, end, length) in enumerate(zip(ends, ends[1:], lengths.tolist(), strict=False)):
            if end - begin != 1 and (end > begin or length):
                raise invalid_problem(
                    function,
                    f"request {i} has {end - begin} new tokens; with LAST_PAGE it should have 1: take RAGGED",
                )
        most = len(lengths) if padded else batch
        if must_be_full and (batch < most or not lengths[:batch].all()):
            raise invalid_problem(
                function,
                "length_convention is BEFORE_APPEND and there is padding, which seq_lens cannot say so; it "
                "should be AFTER_APPEND",
            )

    def _count(self, name: str, array: NDArray[Any]) -> int:
        of = self._requests
        if name in ("source", "destination"):
            return of.copies
        if name == "indices":
            return of.entries
        if name in ("batch_indices", "positions", "slot_mapping"):
            return of.rows
        return of.batch + (name in ("indptr", "append_indptr"))
