"""The operands that say where a batch's rows go, for the append and for the attention after it."""

from __future__ import annotations

from contextlib import suppress

from ..._append.addressing import set_for
from ..._interop.streams import stream_handle
from ..._interop.tensor_view import TensorView
from ..._model.checks import INT32_MAX, INT64_MAX, choice, describe, instance, integer, several
from ..._model.copying import no_copy
from ..._model.descriptors import convention_of
from ..._model.enums import Addressing, LengthConvention, LengthsKind, TableKind
from ..._model.errors import invalid_problem
from ..blocks.manager import BlockManager, growth_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any, Literal, NoReturn

    from numpy.typing import NDArray
    from typing_extensions import Self

    from .requests import Request

    AddressingLike = Addressing | Literal["LAST_PAGE", "RAGGED", "POSITIONS", "SLOTS"]
    TableLike = TableKind | Literal["CSR", "DENSE"]
    LengthsLike = LengthsKind | Literal["LAST_PAGE_LEN", "SEQ_LENS"]
    ConventionLike = LengthConvention | Literal["BEFORE_APPEND", "AFTER_APPEND"]

_ME = "PageTable"
_A_COPY = "a pair of pages, from which and to which"


class PageTable:
    """The page table of a batch, from step to step, in every form that an append or an attention takes.

    A step of an engine, in host or device memory::

        table.update(manager, sequences, new_tokens, copies=manager.take_copies())
        bf.append_paged_kv(key, value, k_data, v_data, **table.append_view("RAGGED"), stream=stream)
        attention(query, k_data, v_data, **table.attention_view())

    ``update`` compares with what was there and, in device memory, copies what has changed, from pinned memory
    of the table's own, on the caller's stream. It waits for nothing, and pinned memory is not written again
    before the copies from it are done: the host may run ahead by any number of steps.

    Views are windows into memory that stays where it is as long as the table lives, and whose contents the
    next ``update`` replaces: at once on the host, in the order of its stream in device memory. Ask for them
    again after every update, but for ``padded`` ones: their shapes are always the same, so a captured graph
    takes them once and is replayed after each update.

    One thread may use a table at a time. It cannot be copied or pickled (``TypeError``).

    Parameters
    ----------
    page_size : int
        Tokens a page.
    max_requests : int
        The most requests of a batch.
    max_pages : int
        The most pages of a request.
    max_rows : int, optional
        The most new tokens of a batch; None for one a request.
    stream
        None for arrays in host memory, for NumPy and the host backend. Else a CUDA stream: the arrays are in
        device memory of its context, and it is where ``update`` copies if it is told no other. At once some
        device memory, and as much pinned memory whenever an update finds the copies of all earlier ones still
        under way, are allocated: some 8 bytes for each page of each request.

    Raises
    ------
    InvalidProblem
        A number of a wrong type or out of range, or a stream that is none or being captured.
    Unsupported
        ``cuda.bindings`` is not there.
    CudaError
        What the driver said.
    """

    __slots__ = ("_arena", "_handle", "_manager", "_max_rows", "_mirror", "_page_size", "_requests", "_seen")

    def __init__(
        self,
        page_size: int,
        max_requests: int,
        max_pages: int,
        *,
        max_rows: int | None = None,
        stream: object = None,
    ) -> None:
        self._mirror = None
        number = "a number of {}, at least 1"
        numbers = [
            integer(_ME, name, value, 1, INT32_MAX, number.format(what))
            for name, value, what in (
                ("page_size", page_size, "tokens"),
                ("max_requests", max_requests, "requests"),
                ("max_pages", max_pages, "pages"),
                ("max_rows", max_requests if max_rows is None else max_rows, "rows"),
            )
        ]
        if numbers[1] * numbers[2] > INT32_MAX:
            raise invalid_problem(
                _ME, f"max_requests is {max_requests} and max_pages {max_pages}; indptr has 32 bits"
            )
        from .arena import Arena
        from .requests import Requests

        self._page_size, self._max_rows = numbers[0], numbers[3]
        self._arena = Arena(*numbers[1:])
        self._requests = Requests(self._arena, self._page_size)
        self._manager: BlockManager | None = None
        # Of each request: whose row it was, of which generation, and how many of its full pages are listed.
        self._seen: list[tuple[int, int, int] | None] = []
        self._handle = 0
        if stream is not None:
            from .mirror import Mirror

            self._handle = stream_handle(_ME, stream)
            self._mirror = Mirror(_ME, self._arena.words, self._handle)
            self._mirror.update(self._arena.words[:0], self._handle)

    def update(
        self,
        manager: BlockManager,
        sequences: Iterable[int | None],
        new_tokens: int | Sequence[int] = 1,
        *,
        copies: Sequence[tuple[int, int]] = (),
        stream: object = None,
    ) -> None:
        """Take over a batch: request ``i`` is ``sequences[i]``, which has grown by its new tokens.

        Costs a constant time for each request, each new token and each page that is new; where the number of
        a request's pages changes, also for each page of the requests behind it.

        Parameters
        ----------
        manager
            Whose sequences they are.
        sequences
            At most ``max_requests``; None for a place in the batch that nobody has, which is padding. To keep
            the others in their places keeps them from being copied again.
        new_tokens
            How many tokens of each request are to be appended, its newest; or one number for all that are not
            None. Rows of key and value are those of request 0, then those of request 1, and so on.
        copies
            What ``manager.take_copies`` told, for ``copy_view``.
        stream
            Of a table in device memory: where the copies are enqueued; None for the table's own. It must not
            be one that is being captured. What reads the views has to come behind on it, and what reads the
            views of the update before must not come behind on another.

        Raises
        ------
        InvalidProblem
            A batch that the table has no room for, a sequence that the manager does not know, a manager of
            another page_size, or a stream that cannot be used. Nothing is changed.
        CudaError
            What the driver said. The next update copies everything.
        """
        function = f"{_ME}.update"
        instance(function, "manager", manager, BlockManager)
        if manager.page_size != self._page_size:
            raise invalid_problem(
                function, f"page_size of the manager is {manager.page_size}; it should be {self._page_size}"
            )
        if manager is not self._manager:
            self._forget()
        from .requests import NOBODY

        batch = several(function, "sequences", sequences, "sequences, and None for places that nobody has")
        seen = [*self._seen, *[None] * (len(batch) - len(self._seen))]
        asked = []
        for sequence, known in zip(batch, seen, strict=False):
            if sequence is not None:
                same = known is not None and type(sequence) is int and known[0] == sequence
                asked.append((sequence, *(known[1:] if same and known else (-1, 0))))
        told = iter(growth_of(function, manager, asked))
        new = self._new_tokens(function, batch, new_tokens)
        requests: list[Request] = []
        now: list[tuple[int, int, int] | None] = []
        for sequence, rows in zip(batch, new, strict=True):
            if sequence is None:
                requests.append(NOBODY)
                now.append(None)
                continue
            generation, length, first, pages = next(told)
            requests.append((pages, first, length, rows))
            now.append((sequence, generation, length // self._page_size))
        self._step(function, requests, copies, stream)
        self._manager, self._seen = manager, now

    def update_pages(
        self,
        pages: Sequence[Sequence[int] | None],
        seq_lens: Sequence[int],
        new_tokens: int | Sequence[int] = 1,
        *,
        copies: Sequence[tuple[int, int]] = (),
        stream: object = None,
    ) -> None:
        """Take over a batch whose pages somebody else manages.

        Parameters
        ----------
        pages
            Of each request the ids of its pages, in order; None for a place that nobody has. Pages behind
            those that its tokens need are left out.
        seq_lens
            Tokens of each request in all, the new ones among them; of a place that nobody has anything.
        new_tokens, copies, stream
            As for ``update``.

        Raises
        ------
        InvalidProblem
            A batch that the table has no room for, fewer pages than tokens need, or a stream that cannot be
            used. Nothing is changed.
        CudaError
            What the driver said. The next update copies everything.
        """
        function = f"{_ME}.update_pages"
        pages = several(function, "pages", pages, "lists of page ids")
        seq_lens = several(function, "seq_lens", seq_lens, "numbers of tokens")
        if len(pages) != len(seq_lens):
            raise invalid_problem(
                function,
                f"pages has {len(pages)} entries and seq_lens has {len(seq_lens)}; they should be as many",
            )
        from .requests import NOBODY

        new = self._new_tokens(function, pages, new_tokens)
        requests: list[Request] = []
        for i, (listed, length, rows) in enumerate(zip(pages, seq_lens, new, strict=True)):
            if listed is None:
                requests.append(NOBODY)
                continue
            tokens = integer(function, f"seq_lens[{i}]", length, 0, INT32_MAX, "a number of tokens")
            needed = -(-tokens // self._page_size)
            listed = several(function, f"pages[{i}]", listed, "page ids, or None")
            if len(listed) < needed:
                raise invalid_problem(
                    function,
                    f"pages[{i}] has {len(listed)} entries; it should have {needed}, for {tokens} tokens",
                )
            requests.append((_page_ids(function, f"pages[{i}]", listed[:needed]), 0, tokens, rows))
        self._step(function, requests, copies, stream)
        self._forget()

    def append_view(
        self,
        addressing: AddressingLike,
        *,
        table: TableLike = TableKind.CSR,
        lengths: LengthsLike = LengthsKind.SEQ_LENS,
        length_convention: ConventionLike = LengthConvention.AFTER_APPEND,
        padded: bool = False,
    ) -> dict[str, Any]:
        """What says where the new rows go, for ``append_paged_kv(..., **table.append_view("RAGGED"))``.

        Parameters
        ----------
        addressing, table, lengths, length_convention
            Which of the forms of ``PagedKvAppendDescriptor``. RAGGED takes every batch; LAST_PAGE one new
            token of each request, row ``i`` being request ``i``'s.
        padded
            Whether as long as the largest batch: for captured graphs. Rows of key behind those of the batch,
            and with LAST_PAGE those of places that nobody has, are not written.

        Returns
        -------
        dict
            The operands by their names, and the length_convention where there are lengths: NumPy arrays, or a
            ``TensorView`` each.

        Raises
        ------
        InvalidProblem
            No such form, or LAST_PAGE for a batch that is not one new token a request.
        """
        return self._append_view("append_view", addressing, table, lengths, length_convention, padded, True)

    def append_operands(
        self,
        addressing: AddressingLike,
        *,
        table: TableLike = TableKind.CSR,
        lengths: LengthsLike = LengthsKind.SEQ_LENS,
        length_convention: ConventionLike = LengthConvention.AFTER_APPEND,
        padded: bool = False,
    ) -> dict[str, Any]:
        """``append_view`` without the convention: for ``PagedKvAppendArgs``, whose plan has it.

        Parameters
        ----------
        addressing, table, lengths, length_convention, padded
            As for ``append_view``.

        Returns
        -------
        dict
            The operands by their names.

        Raises
        ------
        InvalidProblem
            As ``append_view``.
        """
        return self._append_view(
            "append_operands", addressing, table, lengths, length_convention, padded, False
        )

    def attention_view(self, table: TableLike = TableKind.CSR, *, padded: bool = False) -> dict[str, Any]:
        """What the attention after the append takes: the new tokens are counted.

        Parameters
        ----------
        table
            CSR: indices, indptr and last_page_len (FlashInfer's). DENSE: block_table (FlashAttention's,
            TensorRT-LLM's). Both with seq_lens, and append_indptr: where each request's queries are.
        padded
            Whether as long as the largest batch.

        Returns
        -------
        dict
            The arrays by their names: NumPy arrays, or a ``TensorView`` each.

        Raises
        ------
        InvalidProblem
            No such table, or padded is no bool.
        """
        function = f"{_ME}.attention_view"
        instance(function, "padded", padded, bool)
        kind = choice(function, "table", table, TableKind)
        pages = ("block_table",) if kind is TableKind.DENSE else ("indices", "indptr", "last_page_len")
        return {name: self._view(name, padded) for name in (*pages, "seq_lens", "append_indptr")}

    def copy_view(self, *, padded: bool = False) -> dict[str, Any]:
        """The pages to be copied before the append, as ``copy_pages`` takes them.

        Parameters
        ----------
        padded
            Whether ``max_requests`` entries, -1 behind those that there are.

        Returns
        -------
        dict
            source and destination: NumPy arrays, or a ``TensorView`` each.

        Raises
        ------
        InvalidProblem
            padded is no bool.
        """
        instance(f"{_ME}.copy_view", "padded", padded, bool)
        return {name: self._view(name, padded) for name in ("source", "destination")}

    def slots(self, request: int, start: int = 0, stop: int | None = None) -> NDArray[Any]:
        """Where tokens of a request are in the whole cache: page * page_size + slot, on the host.

        Parameters
        ----------
        request
            Its place in the batch.
        start, stop
            Which tokens, as a slice; all of them by default.

        Returns
        -------
        numpy.ndarray
            int64, one for each token.

        Raises
        ------
        InvalidProblem
            No such request, or an end that is no integer.
        """
        import numpy as np

        function, last = f"{_ME}.slots", self._requests.batch - 1
        row = integer(function, "request", request, 0, last, f"a place in the batch, 0 to {last}")
        ends = [
            None if end is None else integer(function, name, end, -INT64_MAX, INT64_MAX, "a token, or None")
            for name, end in (("start", start), ("stop", stop))
        ]
        tokens = np.arange(int(self._arena.arrays["seq_lens"][row]))[slice(*ends)]
        return self._requests.slots_of(np.full(tokens.shape, row), tokens)

    def close(self) -> None:
        """Give device and pinned memory back; views and graphs that use them must be done with. CUDA waits
        for the device. Not needed, since a table that is dropped does it, and done once."""
        if self._mirror is not None:
            self._mirror.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __del__(self) -> None:
        # Where the context is gone its memory is too; the interpreter may be going.
        with suppress(Exception):
            self.close()

    @property
    def num_requests(self) -> int:
        """Places in the batch."""
        return self._requests.batch

    @property
    def num_rows(self) -> int:
        """New tokens of the batch: rows of key."""
        return self._requests.rows

    def __reduce__(self) -> NoReturn:
        raise no_copy(self, "its views are windows into its memory", "make another for another batch")

    def __repr__(self) -> str:
        where = "host memory" if self._mirror is None else f"memory of CUDA device {self._mirror.ordinal}"
        return f"<PageTable in {where}: {self.num_requests} requests, {self.num_rows} new tokens>"

    def _forget(self) -> None:
        """From which sequences the pages came."""
        self._manager, self._seen = None, []

    def _new_tokens(self, function: str, batch: list[Any], new_tokens: object) -> list[int]:
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

    def _step(
        self,
        function: str,
        requests: list[Request],
        copies: Sequence[tuple[int, int]],
        stream: object,
    ) -> None:
        most_requests, most_pages = self._arena.arrays["block_table"].shape
        pairs = [
            _page_ids(function, f"copies[{i}]", several(function, f"copies[{i}]", pair, _A_COPY))
            for i, pair in enumerate(several(function, "copies", copies, "pairs of pages"))
        ]
        for i, pair in enumerate(pairs):
            if len(pair) != 2:
                raise invalid_problem(
                    function, f"copies[{i}] has {len(pair)} entries; it should be {_A_COPY}"
                )
        self._check_most(function, "requests", len(requests), "max_requests", most_requests)
        self._check_most(function, "copies", len(pairs), "max_requests", most_requests)
        self._check_most(function, "new tokens", sum([r[3] for r in requests]), "max_rows", self._max_rows)
        for i, (_, _, length, rows) in enumerate(requests):
            if rows > length:
                raise invalid_problem(
                    function,
                    f"new_tokens[{i}] is {rows} and the request has {length} tokens with them; grow it first",
                )
            pages = -(-length // self._page_size)
            self._check_most(function, f"pages of request {i}", pages, "max_pages", most_pages)
        handle = self._stream(function, stream)
        changed = self._requests.step(requests, [(source, destination) for source, destination in pairs])
        if self._mirror is not None:
            self._mirror.update(changed, handle)

    def _check_most(self, function: str, what: str, count: int, limit: str, most: int) -> None:
        if count > most:
            raise invalid_problem(function, f"there are {count} {what}; {limit} is {most}")

    def _stream(self, function: str, stream: object) -> int:
        if self._mirror is None:
            if stream is not None:
                raise invalid_problem(
                    function,
                    f"stream is {describe(stream)} and the table is in host memory; it should be None, or "
                    "the table be made for a stream",
                )
            return 0
        handle = self._handle if stream is None else stream_handle(function, stream)
        self._mirror.refuse_capture(handle)
        return handle

    def _append_view(
        self,
        name: str,
        addressing: object,
        table: object,
        lengths: object,
        length_convention: object,
        padded: bool,
        stated: bool,
    ) -> dict[str, Any]:
        function = f"{_ME}.{name}"
        instance(function, "padded", padded, bool)
        place = choice(function, "addressing", addressing, Addressing)
        has_lengths = place in (Addressing.LAST_PAGE, Addressing.RAGGED)
        kind = choice(function, "table", table, TableKind) if has_lengths else TableKind.CSR
        by = choice(function, "lengths", lengths, LengthsKind) if has_lengths else LengthsKind.LAST_PAGE_LEN
        operands = set_for(function, place, kind, by)
        convention = convention_of(function, length_convention, place, by)
        before = has_lengths and convention is LengthConvention.BEFORE_APPEND
        if place is Addressing.LAST_PAGE:
            self._check_decode(function, before and by is LengthsKind.SEQ_LENS, padded)
        if before and place is Addressing.RAGGED and by is LengthsKind.LAST_PAGE_LEN:
            raise invalid_problem(
                function,
                "length_convention is BEFORE_APPEND; with append_indptr and last_page_len it should "
                "be AFTER_APPEND",
            )
        view = {}
        for operand in operands.names:
            counts = operand in ("last_page_len", "seq_lens")
            view[operand] = self._view(f"{operand} before" if counts and before else operand, padded)
        if has_lengths and stated:
            view["length_convention"] = convention
        return view

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

    def _view(self, name: str, padded: bool) -> Any:
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

    def _count(self, name: str, array: NDArray[Any]) -> int:
        of = self._requests
        if name in ("source", "destination"):
            return of.copies
        if name == "indices":
            return of.entries
        if name in ("batch_indices", "positions", "slot_mapping"):
            return of.rows
        return of.batch + (name in ("indptr", "append_indptr"))


def _page_ids(function: str, name: str, pages: list[Any]) -> list[int]:
    return [
        page
        if type(page) is int and -INT32_MAX <= page <= INT32_MAX
        else integer(function, f"{name}[{i}]", page, -INT32_MAX, INT32_MAX, "a page id")
        for i, page in enumerate(pages)
    ]


def _number_of(one: object) -> str:
    return "0, since nobody has that place" if one is None else "a number of tokens"
