"""What the requests of a batch have: as a manager tells of its sequences from step to step, or as they are
given."""

from __future__ import annotations

from ..._model.checks import INT32_MAX, instance, integer, several
from ..._model.errors import invalid_problem
from ..blocks.manager import BlockManager, growth_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

    # Of one request: which of its pages are listed, from which on; its tokens in all; its new ones.
    Request = tuple[list[int], int, int, int]
    # Of one request: whose row it was, of which generation, and how many of its full pages are listed.
    Seen = tuple[int, int, int]

NOBODY: Request = ([], 0, 0, 0)
_A_COPY = "a pair of pages, from which and to which"


class Follower:
    """Lists the pages of a manager's sequences that may be others than those that were listed before. What
    was looked at last counts once it is ``listed``."""

    __slots__ = ("_looked_at", "_manager", "_page_size", "_seen")

    def __init__(self, page_size: int) -> None:
        self._page_size = page_size
        self._manager: BlockManager | None = None
        self._seen: list[Seen | None] = []

    def look(
        self,
        function: str,
        manager: BlockManager,
        sequences: Iterable[int | None],
        new_tokens: int | Sequence[int],
    ) -> list[Request]:
        instance(function, "manager", manager, BlockManager)
        if manager.page_size != self._page_size:
            raise invalid_problem(
                function, f"page_size of the manager is {manager.page_size}; it should be {self._page_size}"
            )
        if manager is not self._manager:
            self.forget()
        batch = several(function, "sequences", sequences, "sequences, and None for places that nobody has")
        seen = [*self._seen, *[None] * (len(batch) - len(self._seen))]
        asked = []
        for sequence, known in zip(batch, seen, strict=False):
            if sequence is not None:
                same = known is not None and type(sequence) is int and known[0] == sequence
                asked.append((sequence, *(known[1:] if same and known else (-1, 0))))
        told = iter(growth_of(function, manager, asked))
        new = _new_tokens(function, batch, new_tokens)
        requests: list[Request] = []
        now: list[Seen | None] = []
        for sequence, rows in zip(batch, new, strict=True):
            if sequence is None:
                requests.append(NOBODY)
                now.append(None)
                continue
            generation, length, first, pages = next(told)
            requests.append((pages, first, length, rows))
            now.append((sequence, generation, length // self._page_size))
        self._looked_at = (manager, now)
        return requests

    def listed(self) -> None:
        self._manager, self._seen = self._looked_at

    def forget(self) -> None:
        """Nothing is listed that a manager has told."""
        self._manager, self._seen = None, []


def given_requests(
    function: str,
    page_size: int,
    pages: Sequence[Sequence[int] | None],
    seq_lens: Sequence[int],
    new_tokens: int | Sequence[int],
) -> list[Request]:
    """Of pages that somebody else manages."""
    pages = several(function, "pages", pages, "lists of page ids")
    seq_lens = several(function, "seq_lens", seq_lens, "numbers of tokens")
    if len(pages) != len(seq_lens):
        raise invalid_problem(
            function,
            f"pages has {len(pages)} entries and seq_lens has {len(seq_lens)}; they should be as many",
        )
    new = _new_tokens(function, pages, new_tokens)
    requests: list[Request] = []
    for i, (listed, length, rows) in enumerate(zip(pages, seq_lens, new, strict=True)):
        if listed is None:
            requests.append(NOBODY)
            continue
        tokens = integer(function, f"seq_lens[{i}]", length, 0, INT32_MAX, "a number of tokens")
        needed = -(-tokens // page_size)
        listed = several(function, f"pages[{i}]", listed, "page ids, or None")
        if len(listed) < needed:
            raise invalid_problem(
                function,
                f"pages[{i}] has {len(listed)} entries; it should have {needed}, for {tokens} tokens",
            )
        requests.append((_page_ids(function, f"pages[{i}]", listed[:needed]), 0, tokens, rows))
    return requests


def given_copies(function: str, copies: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Of one page to another each."""
    pairs = []
    for i, pair in enumerate(several(function, "copies", copies, "pairs of pages")):
        ids = _page_ids(function, f"copies[{i}]", several(function, f"copies[{i}]", pair, _A_COPY))
        if len(ids) != 2:
            raise invalid_problem(function, f"copies[{i}] has {len(ids)} entries; it should be {_A_COPY}")
        pairs.append((ids[0], ids[1]))
    return pairs


def _page_ids(function: str, name: str, pages: list[Any]) -> list[int]:
    return [
        page
        if type(page) is int and -INT32_MAX <= page <= INT32_MAX
        else integer(function, f"{name}[{i}]", page, -INT32_MAX, INT32_MAX, "a page id")
        for i, page in enumerate(pages)
    ]


def _new_tokens(function: str, batch: list[Any], new_tokens: object) -> list[int]:
    if not hasattr(type(new_tokens), "__iter__"):
        rows = integer(function, "new_tokens", new_tokens, 0, INT32_MAX, "a number of tokens")
        return [0 if one is None else rows for one in batch]
    given = several(function, "new_tokens", new_tokens, "a number of tokens, or one for each request")
    if len(given) != len(batch):
        raise invalid_problem(
            function, f"new_tokens has {len(given)} entries; it should have {len(batch)}, one a request"
        )
    return [
        integer(function, f"new_tokens[{i}]", rows, 0, 0 if one is None else INT32_MAX, _number_of(one))
        for i, (one, rows) in enumerate(zip(batch, given, strict=True))
    ]


def _number_of(one: object) -> str:
    return "0, since nobody has that place" if one is None else "a number of tokens"
