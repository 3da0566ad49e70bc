"""The demo's drawing: the whole cache on one line a step, a group of slots a page."""

from __future__ import annotations

from rich.text import Text

from .._model.enums import BackendKind

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rich.console import Console

    from .._append.plan import PagedKvAppendPlan
    from .._model.descriptors import PagedKvCacheDescriptor
    from ._conversation import Conversation

_COLOURS = ("cyan", "magenta", "yellow", "green", "blue", "red")
_LABEL_WIDTH = 7


class Picture:
    """Request 0's tokens are drawn as ``a``, request 1's as ``b`` and so on; a token of this step as a
    capital, in reverse. It reads the same without colours."""

    def __init__(self, console: Console, cache: PagedKvCacheDescriptor, lengths: list[int]) -> None:
        self._console = console
        self._cache = cache
        self._lengths = lengths

    def introduce(self, plan: PagedKvAppendPlan, place: str) -> None:
        cache, sku = self._cache, plan.sku()
        code = "" if sku.backend is BackendKind.HOST else f" ({sku.arch.name} code)"
        self._print(Text.assemble("Runs on ", (place, "bold"), f": the {sku.backend.name} backend{code}."))
        self._print(
            Text(
                f"{cache.num_total_pages} pages of {cache.page_size} tokens, {cache.num_kv_heads} KV heads, "
                f"head_dim {cache.head_dim}, {cache.element.name}, {cache.layout.name}"
            )
        )
        self._print(Text.assemble("prompts: ", *self._requests()))
        self._print(Text("a token already there: a   written in this step: A   free slot: ."))
        self._print(Text())
        pages = " ".join([f"p{page}".ljust(cache.page_size) for page in range(cache.num_total_pages)])
        self._print(Text("step".ljust(_LABEL_WIDTH) + " " + pages, style="dim"))

    def draw(
        self,
        label: str,
        conversation: Conversation,
        written: list[list[tuple[int, int]]],
        grown: list[int],
    ) -> None:
        """The cache after a step, and below it what the step wrote of each request; ``grown`` says how many
        pages it got."""
        owners = conversation.owners()
        places = {place for each in written for place in each}
        line = Text(label.rjust(_LABEL_WIDTH) + " ")
        for page in range(self._cache.num_total_pages):
            for slot in range(self._cache.page_size):
                line.append_text(_cell(owners.get((page, slot)), (page, slot) in places))
            line.append(" ")
        self._print(line)
        parts = Text(" " * (_LABEL_WIDTH + 1))
        for request, (each, pages) in enumerate(zip(written, grown, strict=True)):
            parts.append(f"{_letter(request)}: {_said(each, pages)}  ", _colour(request))
        parts.rstrip()
        self._print(parts)

    def succeed(self, steps: int, tokens: int, pages: int, compared: int) -> None:
        self._print(Text())
        self._print(
            Text.assemble(
                ("RIGHT", "bold green"),
                f" A prefill and {steps} decode steps, {tokens} tokens, {pages} pages allocated on the way. ",
                f"After each all {compared} bytes of both caches were those of the NumPy reference, and the ",
                "page table was unchanged.",
            )
        )

    def add_footnote(self, note: str) -> None:
        self._print(Text())
        self._print(Text(note, style="dim"))

    def fail(self, label: str, fault: str) -> None:
        self._print(Text())
        self._print(Text.assemble(("WRONG", "bold red"), f" after {label}: {fault}."))

    def _requests(self) -> list[tuple[str, str]]:
        return [
            (f"{_letter(request)} {length} token{'s' * (length != 1)}   ", _colour(request))
            for request, length in enumerate(self._lengths)
        ]

    def _print(self, text: Text) -> None:
        self._console.print(text)


def _cell(owner: int | None, is_new: bool) -> Text:
    if owner is None:
        return Text(".", "dim")
    letter = _letter(owner)
    return Text(letter.upper(), f"bold reverse {_colour(owner)}") if is_new else Text(letter, _colour(owner))


def _said(places: list[tuple[int, int]], grown: int) -> str:
    """Where a request's tokens went, in few words."""
    new = " new" if grown else ""
    if len(places) == 1:
        ((page, slot),) = places
        return f"page {page}{new} slot {slot}"
    pages = list(dict.fromkeys([str(page) for page, _ in places]))
    return f"{len(places)} tokens in page{'s' * (len(pages) != 1)} {', '.join(pages)}"


def _letter(request: int) -> str:
    return chr(ord("a") + request)


def _colour(request: int) -> str:
    return _COLOURS[request % len(_COLOURS)]
