"""Which operands say where rows go: the sets that there are, a row each."""

from __future__ import annotations

from .._model.descriptors import convention_of
from .._model.enums import Addressing, LengthConvention, LengthsKind, TableKind
from .._model.errors import invalid_problem
from .._native import abi
from .scales import NUM_KINDS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from .._native.library import Operands

# The operands that say places, in the order of abi.OPERANDS.
FIRST_PLACE = abi.OPERANDS.index("indices")
PLACE_NAMES = abi.OPERANDS[FIRST_PLACE : abi.OPERANDS.index("seq_lens") + 1]


class OperandSet:
    """Operands that together say where each row goes, and what the C library calls that. One object a row of
    ``SETS``."""

    __slots__ = ("addressing", "lengths", "names", "number", "table")

    def __init__(
        self, addressing: Addressing, table: TableKind, lengths: LengthsKind, names: tuple[str, ...]
    ) -> None:
        self.addressing = addressing
        self.table = table
        self.lengths = lengths
        self.names = names
        self.number = -1  # its place in SETS

    def __str__(self) -> str:
        return ", ".join(self.names)

    def check_given(self, function: str, given: Operands) -> None:
        """Raise ``InvalidProblem`` where an operand that says places is none of the set."""
        for name, operand in zip(PLACE_NAMES, given[FIRST_PLACE:], strict=False):
            if operand is not None and name not in self.names:
                raise invalid_problem(
                    function,
                    f"{name} is given and what says where rows go is {self}; it should be None, or another "
                    "launch be bound by a plan that is selected for it",
                )

    def convention(self, function: str, given: object) -> LengthConvention:
        """The convention that lengths follow, for what judges them itself, as the library does of an append.
        Raises ``InvalidProblem`` for one that there is not."""
        convention = convention_of(function, given, self.addressing, self.lengths)
        by_last_page = self.addressing is Addressing.RAGGED and self.lengths is LengthsKind.LAST_PAGE_LEN
        if by_last_page and convention is LengthConvention.BEFORE_APPEND:
            raise invalid_problem(
                function,
                "length_convention is BEFORE_APPEND; with append_indptr and last_page_len it should be "
                "AFTER_APPEND",
            )
        return convention


_CSR = ("indices", "indptr")

SETS = (
    OperandSet(Addressing.LAST_PAGE, TableKind.CSR, LengthsKind.LAST_PAGE_LEN, (*_CSR, "last_page_len")),
    OperandSet(Addressing.LAST_PAGE, TableKind.CSR, LengthsKind.SEQ_LENS, (*_CSR, "seq_lens")),
    OperandSet(Addressing.LAST_PAGE, TableKind.DENSE, LengthsKind.SEQ_LENS, ("block_table", "seq_lens")),
    OperandSet(
        Addressing.RAGGED,
        TableKind.CSR,
        LengthsKind.LAST_PAGE_LEN,
        (*_CSR, "last_page_len", "append_indptr"),
    ),
    OperandSet(Addressing.RAGGED, TableKind.CSR, LengthsKind.SEQ_LENS, (*_CSR, "seq_lens", "append_indptr")),
    OperandSet(
        Addressing.RAGGED,
        TableKind.DENSE,
        LengthsKind.SEQ_LENS,
        ("block_table", "seq_lens", "append_indptr"),
    ),
    OperandSet(
        Addressing.POSITIONS,
        TableKind.CSR,
        LengthsKind.LAST_PAGE_LEN,
        (*_CSR, "batch_indices", "positions"),
    ),
    OperandSet(Addressing.SLOTS, TableKind.CSR, LengthsKind.LAST_PAGE_LEN, ("slot_mapping",)),
)

for _number, _row in enumerate(SETS):
    _row.number = _number


# By which of PLACE_NAMES are given.
_SET_BY_GIVEN = {tuple([name in row.names for name in PLACE_NAMES]): row for row in SETS}

DECODE = SETS[0]

NUM_FORMS = 2 * len(SETS) * NUM_KINDS


def form_of(placed_by: OperandSet, parts: int, kind: int) -> int:
    """The form of an append's operands, of ``NUM_FORMS``: the set, its baracuda_parts, and the kind of what
    else it gives, by ``scales``."""
    return 2 * (len(SETS) * kind + placed_by.number) + parts


def kind_of_form(form: int) -> int:
    return form // (2 * len(SETS))


# Operands with an entry for each request (or one more), and with one for each row.
OF_REQUESTS = ("indptr", "last_page_len", "append_indptr", "block_table", "seq_lens")
OF_ROWS = ("key", "value", "batch_indices", "positions", "slot_mapping")


def set_for(function: str, addressing: Addressing, table: TableKind, lengths: LengthsKind) -> OperandSet:
    """The set that a descriptor means. Raises ``InvalidProblem``."""
    for row in SETS:
        if (row.addressing, row.table, row.lengths) == (addressing, table, lengths):
            return row
    raise invalid_problem(
        function,
        f"addressing is {addressing.name}, table {table.name} and lengths {lengths.name}, which do not go "
        f"together; what says where rows go is one of: {_sets()}",
    )


def set_of(function: str, operands: tuple[object, ...]) -> OperandSet:
    """The set that the operands are: one for each of ``PLACE_NAMES``, None where there is none. Raises
    ``InvalidProblem``, which names the sets that there are."""
    found = _SET_BY_GIVEN.get(tuple([operand is not None for operand in operands]))
    if found is None:
        given = [name for name, operand in zip(PLACE_NAMES, operands, strict=True) if operand is not None]
        raise invalid_problem(function, f"{_problem(given)}; what says where rows go is one of: {_sets()}")
    return found


def check_entries(function: str, shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Raise ``InvalidProblem`` where the operands of a set, of these shapes, do not have an entry for each
    request, or one more, and for each row."""
    says = next((name for name in ("batch_indices", "last_page_len", "seq_lens") if name in shapes), None)
    if says is None:
        return
    count = shapes[says][0]
    by_request = says != "batch_indices"
    for name, entries, or_more in (
        ("indptr", count + 1 if by_request else 1, not by_request),
        ("append_indptr", count + 1, False),
        ("positions", count, False),
        ("block_table", count, True),
    ):
        there = shapes[name][0] if name in shapes else entries
        if there < entries or (there > entries and not or_more):
            what = "rows" if name == "block_table" else "entries"
            raise invalid_problem(
                function,
                f"{name} has {there} {what} and {says} has {count}; {name} should have "
                f"{'at least ' if or_more else ''}{entries}",
            )


def _problem(given: list[str]) -> str:
    if not given:
        return "nothing says where the rows go"
    nearest = min(_SAFEST_FIRST, key=lambda row: _distance(set(row.names), set(given)))
    missing = [name for name in nearest.names if name not in given]
    surplus = [name for name in given if name not in nearest.names]
    parts = [f"{' and '.join(missing)} should be given too"] if missing else []
    parts += [f"{' and '.join(surplus)} should not be given with them"] if surplus else []
    return f"{', '.join(given)} given: {', and '.join(parts)}"


# seq_lens find a page that is missing, and so come first in what is said.
_SAFEST_FIRST = sorted(SETS, key=lambda row: "seq_lens" not in row.names)


def _distance(wanted: set[str], given: set[str]) -> tuple[bool, int]:
    """A set that nothing is missing of, or nothing too much for, is nearer than one of both."""
    return bool(wanted - given) and bool(given - wanted), len(wanted ^ given)


def _sets() -> str:
    return "; ".join([f"({row})" for row in _SAFEST_FIRST])
