"""A paged KV-cache for transformers: ``model.generate(past_key_values=PagedCache(model.config, ...))``.

Keys and values are written by ``append_paged_kv`` into pages that a ``BlockManager`` hands out as sequences
grow; the beams of a beam search share them. Importing this imports torch and transformers, and registers the
attention implementation ``"baracuda_ffi"``, which reads the pages itself::

    model.set_attn_implementation("baracuda_ffi")

On a GPU that is FlashInfer's attention, where flashinfer-python is installed and has a kernel for the model;
elsewhere the pages are gathered. With any other implementation the cache hands all keys and values over.
"""

from __future__ import annotations

import torch
import transformers
from transformers.cache_utils import Cache

from ._hugging_face.attention import IMPLEMENTATION, register
from ._hugging_face.layer import PagedLayer
from ._hugging_face.store import Store
from ._model.checks import INT32_MAX, integer
from ._model.errors import OutOfPages, invalid_problem, unsupported

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ._page_tables.blocks.manager import BlockManager

__all__ = ["PagedCache"]

_ME = "PagedCache"
# transformers' versions that the cache is tested with the first and the last of.
_OLDEST, _NEWEST = (5, 0), (5, 24)

register()


class PagedCache(Cache):  # type: ignore[misc]  # of any base that is installed
    """A cache over pages, for one batch.

    Every sequence has a place for each token that the model is given, padding too, and gets pages as it
    grows; sequences that beam search forks share theirs until they differ, and the last page is copied then.
    One thread may use it at a time; on a GPU everything is enqueued on torch's current stream.

    Parameters
    ----------
    config
        The model's (``model.config``); of a model with several parts, that of its text.
    num_pages : int
        Pages of ``page_size`` tokens, each of all layers.
    page_size : int
        Tokens a page.
    batch_size : int
        Sequences: with beams or several returned sequences, all of them.
    dtype : torch.dtype, optional
        Of keys and values; None for the config's.
    device
        torch's, where the model is; ``"cpu"`` by default.

    Raises
    ------
    InvalidProblem
        A number of a wrong type or below 1.
    Unsupported
        A version of transformers before 5.0 or after 5.24, or layers whose heads differ.

    Notes
    -----
    ``OutOfPages`` is raised by a forward that the pages have no room for; ``reset`` the cache then.
    """

    def __init__(
        self,
        config: Any,
        *,
        num_pages: int,
        page_size: int = 16,
        batch_size: int = 1,
        dtype: torch.dtype | None = None,
        device: Any = "cpu",
    ) -> None:
        _check_version()
        numbers = [
            integer(_ME, name, value, 1, INT32_MAX, "at least 1")
            for name, value in (
                ("num_pages", num_pages),
                ("page_size", page_size),
                ("batch_size", batch_size),
            )
        ]
        text = config.get_text_config(decoder=True)
        layers = text.num_hidden_layers
        heads = getattr(text, "num_key_value_heads", None) or text.num_attention_heads
        width = getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads
        kept = dtype or getattr(text, "dtype", None) or torch.get_default_dtype()
        pages, size, batch = numbers
        page = (layers, heads, width)
        self._store = Store(pages, size, batch, page, kept, torch.device(device))
        super().__init__(
            layers=[PagedLayer(self._store, layer, text, IMPLEMENTATION) for layer in range(layers)]
        )

    @property
    def manager(self) -> BlockManager:
        """Whose pages are whose: what is free, and in use."""
        return self._store.manager

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, layer_idx: int, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Append a layer's newest keys and values, as transformers' models do.

        Parameters
        ----------
        key_states, value_states
            ``[batch, kv_heads, tokens, head_dim]``.
        layer_idx
            Which layer.
        args, kwargs
            What versions of transformers add; not looked at.

        Returns
        -------
        tuple of torch.Tensor
            Keys and values of all tokens; with the implementation ``"baracuda_ffi"`` the new ones alone.

        Raises
        ------
        OutOfPages
            There are fewer pages than the sequences need.
        Unsupported
            Another batch than the cache was made for.
        """
        try:
            states: tuple[torch.Tensor, torch.Tensor] = self.layers[layer_idx].update(
                key_states, value_states
            )
        except OutOfPages as error:
            raise OutOfPages(
                error.code,
                f"{_ME}.update",
                f"{self.manager.num_pages} pages of {self.manager.page_size} tokens have no room for "
                f"{key_states.shape[2]} more tokens of {key_states.shape[0]} sequences that have "
                f"{self._store.length}; make the cache with more, or reset it and generate less",
                wanted=error.wanted,
                free=error.free,
            ) from error
        return states

    def reorder_cache(self, beam_idx: torch.Tensor) -> None:
        """Take sequences again, or not, as beam search does: their pages are shared.

        Parameters
        ----------
        beam_idx
            Which sequence each of the batch is from now on.
        """
        self._store.take(beam_idx.tolist())

    def batch_select_indices(self, indices: torch.Tensor) -> None:
        """Keep some sequences.

        Parameters
        ----------
        indices
            Which, in their new order.
        """
        self._store.take(indices.tolist())

    def batch_repeat_interleave(self, repeats: int) -> None:
        """Repeat every sequence: the pages are shared.

        Parameters
        ----------
        repeats
            How often each.
        """
        self._store.take([i for i in range(self._store.batch_size) for _ in range(repeats)])

    def crop(self, tokens: int) -> None:
        """Take the newest tokens of every sequence back, as assisted generation does with guesses that were
        wrong. Pages that are left without any are free.

        Parameters
        ----------
        tokens
            Below 0: how many to take back. Above 0: how many to keep, as before transformers 5.18.

        Raises
        ------
        InvalidProblem
            More tokens than there are.
        """
        count = -tokens if tokens <= 0 else max(self._store.length - tokens, 0)
        if count > self._store.length:
            raise invalid_problem(
                f"{_ME}.crop", f"tokens is {tokens} and there are {self._store.length}; it should be no more"
            )
        self._store.shrink(count)
        for layer in self.layers:
            layer.length -= count

    def reset(self) -> None:
        """Let go of all tokens; the cache can be used for another batch of as many sequences."""
        self._store.reset()
        for layer in self.layers:
            layer.reset()


def _check_version() -> None:
    number = transformers.__version__.split(".")
    found = (int(number[0]), int(number[1]))
    if not _OLDEST <= found <= _NEWEST:
        raise unsupported(
            _ME,
            f"transformers is {transformers.__version__}; it should be {_OLDEST[0]}.{_OLDEST[1]} to "
            f"{_NEWEST[0]}.{_NEWEST[1]}, whose caches this is made for",
        )
