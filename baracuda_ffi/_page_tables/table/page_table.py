"""The operands that say where a batch's rows go, for the append and for the attention after it."""

from __future__ import annotations

from contextlib import suppress

from ..._interop.streams import stream_handle
from ..._model.checks import INT32_MAX, INT64_MAX, in_words, integer
from ..._model.copying import no_copy
from ..._model.enums import Addressing, LengthConvention, LengthsKind, TableKind
from ..._model.errors import invalid_problem
from .batch import Follower, given_copies, given_requests
from .views import Views

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any, Literal, NoReturn

    from numpy.typing import NDArray
    from typing_extensions import Self

    from ..blocks.manager import BlockManager
    from .batch import Request

    AddressingLike = Addressing | Literal["LAST_PAGE", "RAGGED", "POSITIONS", "SLOTS"]
    TableLike = TableKind | Literal["CSR", "DENSE"]
    LengthsLike = LengthsKind | Literal["LAST_PAGE_LEN", "SEQ_LENS"]
    ConventionLike = LengthConvention | Literal["BEFORE_APPEND", "AFTER_APPEND"]

_ME = "PageTable"


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

    __slots__ = (
        "_arena",
        "_follower",
        "_handle",
        "_max_rows",
        "_mirror",
        "_page_size",
        "_requests",
        "_views",
    )

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
        self._follower = Follower(self._page_size)
        self._handle = 0
        if stream is not None:
            from .mirror import Mirror

            self._handle = stream_handle(_ME, stream)
            self._mirror = Mirror(_ME, self._arena.words, self._handle)
            self._mirror.update(self._arena.words[:0], self._handle)
        self._views = Views(self._arena, self._requests, self._mirror)

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
        self._step(function, self._follower.look(function, manager, sequences, new_tokens), copies, stream)
        self._follower.listed()

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
        requests = given_requests(function, self._page_size, pages, seq_lens, new_tokens)
        self._step(function, requests, copies, stream)
        self._follower.forget()

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
        function = f"{_ME}.append_view"
        return self._views.append(function, addressing, table, lengths, length_convention, padded, True)

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
        function = f"{_ME}.append_operands"
        return self._views.append(function, addressing, table, lengths, length_convention, padded, False)

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
        return self._views.attention(f"{_ME}.attention_view", table, padded)

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
        return self._views.copies(f"{_ME}.copy_view", padded)

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

    def _step(
        self,
        function: str,
        requests: list[Request],
        copies: Sequence[tuple[int, int]],
        stream: object,
    ) -> None:
        most_requests, most_pages = self._arena.arrays["block_table"].shape
        pairs = given_copies(function, copies)
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
        changed = self._requests.step(requests, pairs)
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
                    f"stream is {in_words(stream)} and the table is in host memory; it should be None, or "
                    "the table be made for a stream",
                )
            return 0
        handle = self._handle if stream is None else stream_handle(function, stream)
        self._mirror.refuse_capture(handle)
        return handle
