"""How many requests and rows a bound launch has, where its plan leaves that to the operands."""

from __future__ import annotations

from ctypes import c_int64

from .._model.enums import Addressing, LengthsKind
from .._model.errors import invalid_problem
from .._native import abi
from .._native.accelerator import Rebinding
from .addressing import OF_REQUESTS, OF_ROWS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .._model.descriptors import PagedKvAppendDescriptor
    from .._native.library import Operands
    from .addressing import OperandSet
    from .operands import Descriptions


# The operand that the library takes the number of rows from, and of requests.
_SAYS_ROWS = {
    Addressing.RAGGED: "key",
    Addressing.POSITIONS: "batch_indices",
    Addressing.SLOTS: "slot_mapping",
}
_LENGTHS = {LengthsKind.LAST_PAGE_LEN: "last_page_len", LengthsKind.SEQ_LENS: "seq_lens"}


class OpenCounts:
    """Which counts a plan leaves to the operands of each call."""

    __slots__ = ("beside_none", "requests", "rows")

    def __init__(self, desc: PagedKvAppendDescriptor) -> None:
        self.requests = desc.batch_size is None and desc.addressing is not Addressing.SLOTS
        # A prefill of no requests has no rows.
        none = desc.batch_size == 0 and desc.addressing is Addressing.RAGGED
        self.rows = desc.num_rows is None and not none and desc.addressing is not Addressing.LAST_PAGE
        # The other is stated, and is 0, which is what the library would take from operands too.
        self.beside_none = (self.requests and desc.num_rows == 0) or (
            self.rows and desc.batch_size == 0 and desc.addressing is Addressing.POSITIONS
        )

    def __bool__(self) -> bool:
        return self.requests or self.rows


_HOW_REBOUND: dict[tuple[int, bool, bool, OperandSet, bool], bytes] = {}


def how_rebound(bound_at: int, opened: OpenCounts, placed_by: OperandSet, has_value: bool) -> bytes:
    """A ``Rebinding``: where a launch has what is bound; and which operands say the counts that are open, and
    change with them."""
    key = bound_at, opened.requests, opened.rows, placed_by, has_value
    found = _HOW_REBOUND.get(key)
    if found is None:
        by_request, by_row = _having_counts(placed_by, has_value)
        how = Rebinding(bound_at)
        if opened:
            how.open.requests_of, how.open.rows_of = _bits(by_request), _bits(by_row)
        if opened.requests:
            how.open.requests_said_by = _bits([_says_requests(placed_by)])
        if opened.rows:
            how.open.rows_said_by = _bits([_SAYS_ROWS[placed_by.addressing]])
        found = _HOW_REBOUND[key] = bytes(how)
    return found


def _bits(names: list[str]) -> int:
    return sum([1 << abi.OPERANDS.index(name) for name in names])


def _having_counts(placed_by: OperandSet, has_value: bool) -> tuple[list[str], list[str]]:
    """The operands with an entry for each request, or one more, and those with one for each row."""
    rows = ["key", "value"] if has_value else ["key"]
    by_request = [name for name in placed_by.names if name in OF_REQUESTS]
    by_row = [*rows, *[name for name in placed_by.names if name in OF_ROWS]]
    return by_request + (rows if placed_by.addressing is Addressing.LAST_PAGE else []), by_row


def with_open_counts(op: bytes, opened: OpenCounts, placed_by: OperandSet, given: Operands) -> bytes:
    """The problem without those of the counts that the given operands say, for the library to take them from
    there."""
    append = abi.Append.from_buffer_copy(op)
    names = _names(given)
    if opened.requests and _says_requests(placed_by) in names:
        append.batch_size = 0
    if opened.rows and _SAYS_ROWS[placed_by.addressing] in names:
        append.num_rows = 0
    return bytes(append)


def check_described_counts(
    function: str,
    op: bytes,
    opened: OpenCounts,
    placed_by: OperandSet,
    given: Operands,
    described: Descriptions,
) -> None:
    """``check_counts`` of operands that the library has not bound. It would take those that stay to be as
    long as those that are given, and might refuse what lies behind them. Leaves out what is no count."""
    check_counts(function, op, with_described_counts(op, opened, placed_by, described), placed_by, given)


def with_described_counts(
    op: bytes, opened: OpenCounts, placed_by: OperandSet, described: Descriptions
) -> bytes:
    """The problem with those of the open counts that the described operands say."""
    append = abi.Append.from_buffer_copy(op)
    if opened.requests:
        says = _says_requests(placed_by)
        requests = _extent(says, described)
        if requests is not None:
            append.batch_size = max(requests - 1, 0) if says == "indptr" else requests
    if opened.rows:
        rows = _extent(_SAYS_ROWS[placed_by.addressing], described)
        if rows is not None:
            append.num_rows = rows
    return bytes(append)


def _says_requests(placed_by: OperandSet) -> str:
    return "indptr" if placed_by.addressing is Addressing.POSITIONS else _LENGTHS[placed_by.lengths]


def _extent(name: str, described: Descriptions) -> int | None:
    """How many entries or rows an operand has; None where it stays, or is of a shape to be refused."""
    operand = abi.OPERANDS.index(name)
    description = described[operand] if operand < len(described) else None
    if description is None:
        return None
    tensor = abi.Tensor.from_address(description[0])
    if not tensor.shape or (tensor.ndim < 2 if name == "key" else tensor.ndim != 1):
        return None
    extent = c_int64.from_address(tensor.shape).value
    return extent if 0 <= extent < 2**31 else None


def check_counts(function: str, before: bytes, after: bytes, placed_by: OperandSet, given: Operands) -> None:
    """Raise ``InvalidProblem`` where a count changes and an operand that has it stays."""
    old, new = abi.Append.from_buffer_copy(before), abi.Append.from_buffer_copy(after)
    names = _names(given)
    by_request, by_row = _having_counts(placed_by, new.parts == abi.PARTS_KEY_AND_VALUE)
    for what, one, other, of in (
        ("batch_size", old.batch_size, new.batch_size, by_request),
        ("num_rows", old.num_rows, new.num_rows, by_row),
    ):
        missing = [name for name in of if name not in names]
        if one != other and missing:
            stay = f"{', '.join(missing)} {'stay' if len(missing) > 1 else 'stays'}"
            raise invalid_problem(
                function,
                f"{what} changes from {one} to {other} and {stay}; each operand that has it should be given",
            )


def _names(given: Operands) -> list[str]:
    return [name for name, operand in zip(abi.OPERANDS, given, strict=False) if operand is not None]
