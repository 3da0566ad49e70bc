"""Small models of transformers with random weights, what they are asked, and what they generate."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

BATCH, NEW = 3, 30
ITS_OWN = "its own"  # the implementation that a model has by itself
COMMON = {
    "vocab_size": 200,
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 256,
}


def llama(**sizes: Any) -> Any:
    config = transformers.LlamaConfig(**(COMMON | {"num_hidden_layers": 3} | sizes))
    return transformers.LlamaForCausalLM(config)


def qwen(**sizes: Any) -> Any:
    config = transformers.Qwen3Config(**(COMMON | {"num_hidden_layers": 3, "head_dim": 16} | sizes))
    return transformers.Qwen3ForCausalLM(config)


def gemma(**sizes: Any) -> Any:
    """Most of its layers look at a window alone."""
    config = transformers.Gemma3TextConfig(
        **(COMMON | {"num_hidden_layers": 6, "head_dim": 16, "sliding_window": 8} | sizes)
    )
    return transformers.Gemma3ForCausalLM(config)


def capped(**sizes: Any) -> Any:
    """Scores that a tanh caps, and a window in every other layer."""
    own = {"num_hidden_layers": 4, "head_dim": 16, "sliding_window": 8, "attn_logit_softcapping": 2.0}
    config = transformers.Gemma2Config(**(COMMON | own | sizes))
    return transformers.Gemma2ForCausalLM(config)


MODELS = (llama, qwen, gemma, capped)


@contextmanager
def on_one_thread(make: Any) -> Iterator[Any]:
    """A model, the same every time; it computes on one thread inside."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    yield make().eval()
    torch.set_num_threads(threads)


def prompts(device: str = "cpu") -> dict[str, Any]:
    """Of three lengths, padded on the left."""
    ids = torch.randint(3, 200, (BATCH, 12), generator=torch.Generator().manual_seed(1))
    mask = torch.ones_like(ids)
    mask[0, :5] = mask[2, :9] = 0
    return {"input_ids": (ids * mask).to(device), "attention_mask": mask.to(device)}


def generated(model: Any, batch: int = BATCH, **how: Any) -> list[list[int]]:
    given = {name: rows[:batch] for name, rows in prompts(str(model.device)).items()}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = model.generate(
            **given, do_sample=False, max_new_tokens=NEW, min_new_tokens=NEW, pad_token_id=0, **how
        )
    tokens: list[list[int]] = found.tolist()
    return tokens


def set_attention(model: Any, implementation: str) -> None:
    if implementation != ITS_OWN:
        model.set_attn_implementation(implementation)


def new_cache(model: Any, **how: Any) -> Any:
    from baracuda_ffi.transformers import PagedCache

    usual = {
        "num_pages": 400,
        "page_size": 4,
        "batch_size": BATCH,
        "device": model.device,
        "dtype": model.dtype,
    }
    return PagedCache(model.config, **(usual | how))


def guesses(model: Any, assistant: str) -> dict[str, Any]:
    """The options by which several tokens are guessed at once, rightly now and then."""
    if assistant == "the prompt":
        return {"prompt_lookup_num_tokens": 3}
    guesser = copy.deepcopy(model)  # the same model with some noise
    with torch.no_grad():
        for weights in guesser.parameters():
            weights += torch.randn_like(weights) * weights.std() * 0.05
    return {"assistant_model": guesser}


def crops(cache: Any, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """What is taken back from now on."""
    cropped: list[int] = []
    crop = type(cache).crop
    monkeypatch.setattr(
        type(cache), "crop", lambda cache, tokens: (cropped.append(tokens), crop(cache, tokens))
    )
    return cropped
