"""A small random transformer: grouped queries, one fused projection for Q, K and V, rotary positions."""

from __future__ import annotations

import numpy as np

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NamedTuple, Protocol

    from numpy.typing import NDArray

    from .arrays import Arrays

    Array = NDArray[Any]

    class Cache(Protocol):
        """Where keys and values go, and what queries see of them."""

        def write(self, layer: int, key: Any, value: Any) -> None: ...

        def attend(self, layer: int, query: Any) -> Any: ...

else:
    from typing import NamedTuple

_EPSILON = 1e-5


class Shape(NamedTuple):
    """The model's sizes."""

    layers: int = 3
    hidden: int = 128
    heads: int = 8
    kv_heads: int = 2
    head_dim: int = 32
    mlp: int = 256
    vocabulary: int = 512
    max_tokens: int = 512


class Model:
    """The weights of rank ``rank`` of ``ranks``, which has its share of the heads and of the MLP: the same
    model, cut up, for any number of ranks."""

    def __init__(self, shape: Shape, arrays: Arrays, seed: int, rank: int = 0, ranks: int = 1) -> None:
        if shape.kv_heads % ranks:
            raise SystemExit(f"{shape.kv_heads} KV heads cannot be split over {ranks} ranks")
        self.shape, self.arrays = shape, arrays
        self.heads, self.kv_heads = shape.heads // ranks, shape.kv_heads // ranks
        rng = np.random.default_rng(seed)

        def weights(*extents: int) -> Array:
            return rng.standard_normal(extents, np.float32) * np.float32(extents[0] ** -0.5)

        def columns(matrix: Array) -> Any:
            return arrays.asarray(np.split(matrix, ranks, axis=1)[rank])

        def rows(matrix: Array) -> Any:
            return arrays.asarray(np.split(matrix, ranks, axis=0)[rank])

        width = shape.head_dim
        self.embedding = arrays.asarray(rng.standard_normal((shape.vocabulary, shape.hidden), np.float32))
        self.layers = []
        for _ in range(shape.layers):
            parts = [weights(shape.hidden, n * width) for n in (shape.heads, shape.kv_heads, shape.kv_heads)]
            fused = np.concatenate([np.split(part, ranks, axis=1)[rank] for part in parts], axis=1)
            self.layers.append(
                (
                    arrays.asarray(fused),
                    rows(weights(shape.heads * width, shape.hidden)),
                    columns(weights(shape.hidden, shape.mlp)),
                    rows(weights(shape.mlp, shape.hidden)),
                )
            )
        self.head = arrays.asarray(weights(shape.hidden, shape.vocabulary))
        angles = np.arange(shape.max_tokens)[:, None] * 10000.0 ** (-np.arange(0, width, 2) / width)
        self.cosines = arrays.asarray(np.cos(angles).astype(np.float32))
        self.sines = arrays.asarray(np.sin(angles).astype(np.float32))

    def forward(self, tokens: Any, positions: Any, wanted: Any, cache: Cache) -> Any:
        """The logits behind some tokens, ``wanted`` by their places among all. ``positions`` are those in
        their sequences."""
        arrays, width = self.arrays, self.shape.head_dim
        queries, keys = self.heads * width, self.kv_heads * width
        cosines, sines = self.cosines[positions][:, None], self.sines[positions][:, None]
        x = self.embedding[tokens]
        for layer, (qkv, out, up, down) in enumerate(self.layers):
            fused = _normal(x) @ qkv
            query = fused[:, :queries].reshape(-1, self.heads, width)
            # Windows of the projection, of its strides: what is appended is never packed.
            key = fused[:, queries : queries + keys].reshape(-1, self.kv_heads, width)
            value = fused[:, queries + keys :].reshape(-1, self.kv_heads, width)
            _rotate(query, cosines, sines)
            _rotate(key, cosines, sines)
            cache.write(layer, key, value)
            attended = cache.attend(layer, query).reshape(-1, queries)
            x = x + arrays.all_reduce(attended @ out)
            x = x + arrays.all_reduce(arrays.silu(_normal(x) @ up) @ down)
        return _normal(x)[wanted] @ self.head


def _normal(x: Any) -> Any:
    return x / ((x * x).mean(axis=-1, keepdims=True) + _EPSILON) ** 0.5


def _rotate(x: Any, cosines: Any, sines: Any) -> None:
    """In place."""
    half = x.shape[-1] // 2
    first, second = x[..., :half], x[..., half:]
    turned = first * cosines - second * sines
    second[:] = second * cosines + first * sines
    first[:] = turned


def attention(arrays: Arrays, query: Any, key: Any, value: Any) -> Any:
    """Of one sequence's newest tokens, ``query`` ``[new, heads, head_dim]``, over all its tokens, ``key`` and
    ``value`` ``[tokens, kv_heads, head_dim]``."""
    new, heads, width = query.shape
    tokens, kv_heads, _ = key.shape
    group = heads // kv_heads
    query = query.reshape(new, kv_heads, group, width).swapaxes(0, 1).reshape(kv_heads, new * group, width)
    scores = query @ key.swapaxes(0, 1).swapaxes(1, 2) * width**-0.5
    seen = arrays.causal(new, tokens)
    weights = arrays.softmax(scores.reshape(kv_heads, new, group, tokens) + seen[None, :, None])
    mixed = weights.reshape(kv_heads, new * group, tokens) @ value.swapaxes(0, 1)
    return mixed.reshape(kv_heads, new, group, width).swapaxes(0, 1).reshape(new, heads, width)
