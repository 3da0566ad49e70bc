"""The pages of a cache, given to sequences as they grow."""

from __future__ import annotations

from array import array
from threading import Lock

from ..._model.checks import INT32_MAX, INT64_MAX, in_words, integer
from ..._model.copying import no_copy
from ..._model.errors import OUT_OF_PAGES, InvalidProblem, OutOfPages, invalid_problem
from .pool import Pool
from .prefix import TOKEN, TokenBlocks, digests
from .sequence import Sequence

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import NoReturn

_ME = "BlockManager"


class BlockManager:
    """Gives the pages of a cache to sequences as they grow. It is bookkeeping alone: no memory is touched.

    A step of an engine::

        manager.grow(sequence, tokens)            # of each sequence of the batch; OutOfPages: preempt one
        copies = manager.take_copies()            # pages to be copied before anything is appended
        ...                                       # copy them, append, attend, in every layer
        manager.commit()                          # the rows of these tokens are written, or enqueued

    Sequences that begin with the same tokens share the pages of the blocks (``page_size`` tokens each) that
    they have in common: ``add`` finds what is there. A block is known by its tokens and all before it. It can
    be found from the ``commit`` on, that is when its rows are written, and after its sequences are freed
    until its page is wanted: those that were used least recently go first, and pages without such a block
    before them. ``fork`` shares every page; the last one, if it is not full, is copied once one of its
    sequences grows.

    Which page is given depends on the calls alone. Every call costs a constant time for each token, page or
    sequence that it is about. Any number of threads may use one manager; each call is done as a whole. A call
    that raises has changed nothing.

    A manager cannot be copied or pickled (``TypeError``).

    Parameters
    ----------
    num_pages : int
        Pages of the cache; they are called 0 to ``num_pages - 1``, page 0 being handed out first.
    page_size : int
        Tokens a page.

    Raises
    ------
    InvalidProblem
        A number of a wrong type, or below 1.
    """

    __slots__ = ("_grown", "_lock", "_next", "_num_pages", "_page_size", "_pool", "_sequences")

    def __init__(self, num_pages: int, page_size: int) -> None:
        self._num_pages = integer(_ME, "num_pages", num_pages, 1, INT32_MAX, "a number of pages, at least 1")
        self._page_size = integer(_ME, "page_size", page_size, 1, INT32_MAX, "a number of tokens, at least 1")
        self._lock = Lock()
        self._pool = Pool(self._num_pages)
        self._sequences: dict[int, Sequence] = {}
        self._grown: dict[int, Sequence] = {}  # since the last commit
        self._next = 0

    def add(self, tokens: Iterable[int] = ()) -> int:
        """A new sequence.

        Parameters
        ----------
        tokens
            The ids of the tokens that it is to have, as far as they are known: its prompt. The leading blocks
            that are in the cache already are its own from now on, and ``length`` says how many tokens that
            is; ``grow`` it by the others. The last token is always left to grow: its logits are wanted.

        Returns
        -------
        int
            What the other functions call the sequence; never used again.

        Raises
        ------
        InvalidProblem
            Tokens that are not integers of 64 bits.
        """
        ids = _ids("add", tokens)
        with self._lock:
            sequence, self._next = self._next, self._next + 1
            self._sequences[sequence] = Sequence(*self._shared(ids))
            return sequence

    def grow(self, sequence: int, tokens: int | Iterable[int]) -> None:
        """Make room for more tokens, behind those that the sequence has.

        Where they go to a page that other sequences own as well, the sequence gets a copy of the page: see
        ``take_copies``.

        Parameters
        ----------
        sequence
            One that is not preempted.
        tokens
            Their ids; or their number, and then neither they nor what follows in this sequence is shared but
            by ``fork``.

        Raises
        ------
        OutOfPages
            Fewer pages are free than that takes. Free or preempt a sequence, and call it again.
        InvalidProblem
            No such sequence, or tokens that are not integers of 64 bits.
        """
        ids, count = _ids_and_count(tokens)
        with self._lock:
            known = self._active("grow", sequence)
            if not count:
                return
            pool, pages, size = self._pool, known.pages, self._page_size
            more = -(-(known.length + count) // size) - len(pages)
            goes_on = known.length % size != 0
            copies = goes_on and pool.owners(pages[-1]) > 1
            if more + copies > pool.num_free:
                raise self._out_of_pages(sequence, more + copies)
            if copies:
                pages[-1] = pool.copy(pages[-1])
            elif goes_on:
                pool.withdraw(pages[-1])
            pages.extend([pool.take() for _ in range(more)])
            first = known.length // size
            known.length += count
            known.filled += enumerate(known.blocks.extend(ids), first)
            self._grown[sequence] = known

    def shrink(self, sequence: int, tokens: int) -> None:
        """Take the newest tokens back: drafts that were not accepted, say.

        Pages that are left without a token are let go of, as ``free`` does; the last one is written again
        when the sequence grows.

        Parameters
        ----------
        sequence
            One that is not preempted.
        tokens
            How many. Where some of them are in a full block that was committed, what is in that block's place
            from now on, and what follows it, is shared by ``fork`` alone.

        Raises
        ------
        InvalidProblem
            No such sequence, or more tokens than it has.
        """
        count = integer(f"{_ME}.shrink", "tokens", tokens, 0, INT64_MAX, "a number of tokens")
        with self._lock:
            known = self._active("shrink", sequence)
            if count > known.length:
                raise invalid_problem(
                    f"{_ME}.shrink",
                    f"tokens is {count} and sequence {sequence} has {known.length}; it should be no more",
                )
            if count:
                self._let_go(known.shrink(count, self._page_size))

    def fork(self, sequence: int) -> int:
        """A new sequence with the tokens of another, in the same pages.

        Parameters
        ----------
        sequence
            One that is not preempted and whose tokens are committed.

        Returns
        -------
        int
            The new sequence.

        Raises
        ------
        InvalidProblem
            No such sequence, or one that has grown since the last ``commit``.
        """
        with self._lock:
            known = self._active("fork", sequence)
            if known.committed != known.length:
                raise invalid_problem(
                    f"{_ME}.fork",
                    f"sequence {sequence} has {known.length} tokens, of which {known.committed} are "
                    "committed; call commit() once their rows are written, or fork before it grows",
                )
            for page in known.pages:
                self._pool.share(page)
            new, self._next = self._next, self._next + 1
            self._sequences[new] = known.fork()
            return new

    def free(self, sequence: int) -> None:
        """Let go of a sequence and its pages. Blocks that were committed can be shared until the pages are
        wanted.

        Parameters
        ----------
        sequence
            Any; it does not exist afterwards.

        Raises
        ------
        InvalidProblem
            No such sequence.
        """
        with self._lock:
            self._release(sequence, self._known("free", sequence))
            del self._sequences[sequence]

    def preempt(self, sequence: int) -> None:
        """Take a sequence's pages away, and leave it without tokens until it is resumed.

        Blocks that were committed can be found again, by ``resume`` too, until their pages are wanted.

        Parameters
        ----------
        sequence
            One that is not preempted.

        Raises
        ------
        InvalidProblem
            No such sequence.
        """
        with self._lock:
            known = self._active("preempt", sequence)
            self._release(sequence, known)
            known.stop()

    def resume(self, sequence: int, tokens: Iterable[int] = ()) -> None:
        """Begin with a preempted sequence again.

        Parameters
        ----------
        sequence
            A preempted one.
        tokens
            All ids that it is to have, as for ``add``: as many as are in the cache still are its own, and
            ``length`` says how many. ``grow`` it by the others.

        Raises
        ------
        InvalidProblem
            No such sequence, one that is not preempted, or tokens that are not integers of 64 bits.
        """
        ids = _ids("resume", tokens)
        with self._lock:
            known = self._known("resume", sequence)
            if not known.preempted:
                raise invalid_problem(
                    f"{_ME}.resume", f"sequence {sequence} is not preempted; it should be: grow it as it is"
                )
            known.start(*self._shared(ids))

    def take_copies(self) -> list[tuple[int, int]]:
        """The pages that have to be copied, in all layers, before the next append.

        Each is told once: copy them all, in any order or at once; no page is both a source and a destination.
        ``bf.copy_pages`` does it. Until they are taken ``commit`` refuses, and their sources are kept.

        Returns
        -------
        list of tuple of int
            (source, destination).
        """
        with self._lock:
            return self._pool.take_copies()

    def commit(self) -> None:
        """Say that the rows of all tokens so far are written, or enqueued where everything that will read
        them comes behind. From now on their sequences can be forked, and their blocks found.

        It speaks for every sequence, whichever thread grew it: no other thread may be between its ``grow``
        and its append.

        Raises
        ------
        InvalidProblem
            There are copies that nobody has taken: pages without their contents.
        """
        with self._lock:
            copies = self._pool.num_copies
            if copies:
                raise invalid_problem(
                    f"{_ME}.commit",
                    f"{copies} pages were not copied; take_copies() should be called, and its pages copied, "
                    "before rows are appended",
                )
            for known in self._grown.values():
                for page, digest in known.commit():
                    self._pool.publish(page, digest)
            self._grown.clear()

    def length(self, sequence: int) -> int:
        """How many tokens a sequence has room for: those that it was grown by, and those that it found in the
        cache.

        Parameters
        ----------
        sequence
            Any; 0 for a preempted one.

        Returns
        -------
        int
            Tokens.

        Raises
        ------
        InvalidProblem
            No such sequence.
        """
        with self._lock:
            return self._known("length", sequence).length

    def pages(self, sequence: int, start: int = 0) -> list[int]:
        """Where a sequence's tokens are: token ``i`` in slot ``i % page_size`` of page ``i // page_size`` of
        the list.

        Parameters
        ----------
        sequence
            Any; a preempted one has no pages.
        start
            How many of its pages to leave out.

        Returns
        -------
        list of int
            A copy.

        Raises
        ------
        InvalidProblem
            No such sequence, or a start that is no number of pages.
        """
        start = integer(f"{_ME}.pages", "start", start, 0, INT64_MAX, "a number of pages")
        with self._lock:
            return self._known("pages", sequence).pages[start:]

    @property
    def num_pages(self) -> int:
        """Pages of the cache."""
        return self._num_pages

    @property
    def page_size(self) -> int:
        """Tokens a page."""
        return self._page_size

    @property
    def num_free(self) -> int:
        """Pages that ``grow`` can have now, those with blocks to share among them."""
        with self._lock:
            return self._pool.num_free

    @property
    def num_cached(self) -> int:
        """Pages, of the free ones, with a block in them that can be shared still."""
        with self._lock:
            return self._pool.num_kept

    @property
    def num_used(self) -> int:
        """Pages that ``grow`` cannot have: those of sequences, a shared one counted once, and sources of
        copies that are not taken yet."""
        with self._lock:
            return self._num_pages - self._pool.num_free

    @property
    def sequences(self) -> tuple[int, ...]:
        """Those that exist, preempted ones too, in the order in which they were made."""
        with self._lock:
            return tuple(self._sequences)

    def __reduce__(self) -> NoReturn:
        raise no_copy(
            self, "it says whose the pages of one cache are", "share it, or make another for another cache"
        )

    def __repr__(self) -> str:
        with self._lock:
            free, kept, count = self._pool.num_free, self._pool.num_kept, len(self._sequences)
        return (
            f"<BlockManager: {count} sequences, {free} of {self._num_pages} pages free ({kept} with blocks "
            f"to share), {self._page_size} tokens a page>"
        )

    def _known(self, function: str, sequence: int) -> Sequence:
        try:
            known = self._sequences.get(sequence)
        except TypeError:  # what cannot be hashed
            known = None
        if known is None:
            raise invalid_problem(
                f"{_ME}.{function}",
                f"sequence is {in_words(sequence)}; it should be one that add or fork returned and that was "
                "not freed",
            )
        return known

    def _active(self, function: str, sequence: int) -> Sequence:
        known = self._known(function, sequence)
        if known.preempted:
            raise invalid_problem(
                f"{_ME}.{function}", f"sequence {sequence} is preempted; resume should be called first"
            )
        return known

    def _shared(self, ids: array[int]) -> tuple[TokenBlocks, list[int], int]:
        """What a sequence of these tokens begins with: the blocks that are there."""
        size, pages, before = self._page_size, list[int](), b""
        for digest in digests(ids, size, max(len(ids) - 1, 0) // size):
            page = self._pool.find(digest)
            if page is None:
                break
            self._pool.share(page)
            pages.append(page)
            before = digest
        return TokenBlocks(size, before), pages, len(pages) * size

    def _release(self, sequence: int, known: Sequence) -> None:
        self._let_go(known.pages)
        self._grown.pop(sequence, None)

    def _let_go(self, pages: list[int]) -> None:
        """The last page first: a block is of no use without those before it, and should go before them."""
        for page in reversed(pages):
            self._pool.release(page)

    def _out_of_pages(self, sequence: int, wanted: int) -> OutOfPages:
        free = self._pool.num_free
        return OutOfPages(
            OUT_OF_PAGES,
            f"{_ME}.grow",
            f"sequence {sequence} needs {wanted} more pages and {free} of {self._num_pages} are free; free "
            "or preempt a sequence, and grow it again",
            wanted=wanted,
            free=free,
        )


def growth_of(
    function: str, manager: BlockManager, asked: list[tuple[int, int, int]]
) -> list[tuple[int, int, int, list[int]]]:
    """For what follows sequences from step to step. ``asked`` are sequences, each with its generation and how
    many of its pages were full, when it was last looked at. Returns the generation and length of each, the
    first page that may be another now, and the pages from there on. ``function`` is named in errors."""
    told = []
    with manager._lock:
        for sequence, generation, full in asked:
            try:
                known = manager._known("pages", sequence)
            except InvalidProblem as error:
                error.function = function
                raise
            first = full if generation == known.generation else 0
            told.append((known.generation, known.length, first, known.pages[first:]))
    return told


def _ids(function: str, tokens: Iterable[int]) -> array[int]:
    if not isinstance(tokens, (str, bytes, bytearray)):
        try:
            return array(TOKEN, tokens)
        except (TypeError, OverflowError):
            pass
    raise invalid_problem(
        f"{_ME}.{function}", f"tokens is {in_words(tokens)}; it should be ids of tokens, integers of 64 bits"
    )


def _ids_and_count(tokens: int | Iterable[int]) -> tuple[array[int] | None, int]:
    if hasattr(type(tokens), "__iter__"):
        ids = _ids("grow", tokens)  # type: ignore[arg-type]
        return ids, len(ids)
    return None, integer(f"{_ME}.grow", "tokens", tokens, 0, INT32_MAX, "ids of tokens, or their number")
