"""What a block is known by: its tokens, and all before them."""

from __future__ import annotations

from array import array
from functools import cache

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

_DIGEST_BYTES = 16  # blocks that differ do not meet, whoever chooses the tokens
_START = b""  # what comes before the first block
TOKEN = "q"  # array's type code of a token's id: 64 bits


@cache
def _hash() -> Callable[..., Any]:
    """Loads OpenSSL, which those who share no blocks need not wait for."""
    from hashlib import blake2b

    return blake2b


def _digest(before: bytes, tokens: array[int]) -> bytes:
    digest: bytes = _hash()(before + tokens.tobytes(), digest_size=_DIGEST_BYTES).digest()
    return digest


def digests(tokens: array[int], page_size: int, count: int) -> Iterator[bytes]:
    """Of the first ``count`` blocks of a prompt, each made when it is asked for."""
    before = _START
    for block in range(count):
        before = _digest(before, tokens[block * page_size : (block + 1) * page_size])
        yield before


class TokenBlocks:
    """The tokens of one sequence that may be taken back, or that a digest is still to be made of: those from
    the first block on that is not both full and committed. And the digest of what comes before them.

    ``known`` is false once some token's id is not: from there on no block has a digest.
    """

    __slots__ = ("_before", "_filled", "_page_size", "_tail", "known")

    def __init__(self, page_size: int, before: bytes = _START) -> None:
        self._page_size = page_size
        self._before = before
        self._tail = array(TOKEN)
        self._filled: list[bytes] = []  # the digests of the blocks in it that are full
        self.known = True

    def copy(self) -> TokenBlocks:
        again = TokenBlocks(self._page_size, self._before)
        again._tail, again._filled, again.known = self._tail[:], self._filled[:], self.known
        return again

    def extend(self, tokens: array[int] | None) -> list[bytes]:
        """The digests of the blocks that these tokens fill; None for tokens whose ids are not known."""
        if tokens is None:
            self._forget()
        if tokens is None or not self.known:
            return []
        self._tail.extend(tokens)
        before, size = len(self._filled), self._page_size
        for first in range(before * size, len(self._tail) - size + 1, size):
            last = self._filled[-1] if self._filled else self._before
            self._filled.append(_digest(last, self._tail[first : first + size]))
        return self._filled[before:]

    def shrink(self, count: int) -> None:
        """Without so many of the newest tokens. Those of full blocks that are committed are not here any
        more: where one of them is begun again its tokens are not known."""
        if count > len(self._tail):
            self._forget()
            return
        del self._tail[len(self._tail) - count :]
        del self._filled[len(self._tail) // self._page_size :]

    def commit(self) -> None:
        """What is full stays as it is."""
        if self._filled:
            self._before = self._filled[-1]
            del self._tail[: len(self._filled) * self._page_size]
            self._filled.clear()

    def _forget(self) -> None:
        self.known = False
        del self._tail[:]
        self._filled.clear()
