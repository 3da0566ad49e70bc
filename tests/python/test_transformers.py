"""baracuda_ffi.transformers: greedy and beam search give the tokens that transformers' own cache gives."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import baracuda_ffi as bf
from support.problems.language_models import (
    BATCH,
    ITS_OWN,
    MODELS,
    NEW,
    crops,
    generated,
    guesses,
    new_cache,
    on_one_thread,
    set_attention,
)

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

pytestmark = pytest.mark.filterwarnings("ignore")  # transformers' and torch's own, about each other


@pytest.fixture(params=MODELS, ids=lambda make: make.__name__)
def model(request: pytest.FixtureRequest) -> Iterator[Any]:
    with on_one_thread(request.param) as made:
        yield made


@pytest.mark.parametrize("implementation", ["baracuda_ffi", ITS_OWN, "eager"])
@pytest.mark.parametrize("beams", [1, 3])
def test_the_tokens_are_those_of_its_own_cache(model: Any, implementation: str, beams: int) -> None:
    right = generated(model, num_beams=beams)
    cache = new_cache(model, batch_size=BATCH * beams)
    set_attention(model, implementation)
    assert generated(model, num_beams=beams, past_key_values=cache) == right
    assert cache.get_seq_length() == 12 + NEW - 1
    used = cache.manager.num_used
    by_themselves = BATCH * beams * -(-(12 + NEW - 1) // 4)
    assert used == by_themselves if beams == 1 else used < by_themselves  # beams share pages


def test_a_cache_is_used_again_after_a_reset(model: Any) -> None:
    right = generated(model)
    cache = new_cache(model, num_pages=40)
    for _ in range(2):
        assert generated(model, past_key_values=cache) == right
        cache.reset()
        assert cache.manager.num_free == 40


def test_no_pages_are_left(model: Any) -> None:
    cache = new_cache(model, num_pages=20)
    with pytest.raises(
        bf.OutOfPages, match="20 pages of 4 tokens have no room for 1 more tokens of 3 sequences"
    ):
        generated(model, past_key_values=cache)
    cache.reset()
    assert cache.manager.num_free == 20


@pytest.mark.parametrize("implementation", ["baracuda_ffi", ITS_OWN])
@pytest.mark.parametrize("assistant", ["a model", "the prompt"])
def test_assisted_generation(
    model: Any, implementation: str, assistant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was guessed wrong is taken back."""
    how = guesses(model, assistant)
    try:
        right = generated(model, 1, **how)
    except (TypeError, ValueError) as error:  # transformers' own, before 5.18
        pytest.skip(f"transformers {transformers.__version__} does not: {error}")
    cache = new_cache(model, batch_size=1)
    cropped = crops(cache, monkeypatch)
    set_attention(model, implementation)
    assert generated(model, 1, past_key_values=cache, **how) == right
    assert any(cropped)
    assert cache.manager.num_used == -(-cache.get_seq_length() // 4)


def test_tokens_are_taken_back(model: Any) -> None:
    cache = new_cache(model, num_pages=40)
    right = generated(model, past_key_values=cache)
    cache.crop(-8)
    assert cache.get_seq_length() == 12 + NEW - 1 - 8
    cache.crop(12)
    assert (cache.get_seq_length(), cache.manager.num_used) == (12, BATCH * 3)
    cache.crop(20)
    cache.crop(0)
    assert cache.get_seq_length() == 12
    with pytest.raises(bf.InvalidProblem, match="tokens is -13 and there are 12; it should be no more"):
        cache.crop(-13)
    cache.crop(-1)
    assert generated(model, past_key_values=cache) == right


def test_another_batch_is_refused(model: Any) -> None:
    cache = new_cache(model, batch_size=2)
    with pytest.raises(bf.Unsupported, match="key_states has a batch of 3 and the cache has batch_size 2"):
        generated(model, past_key_values=cache)


def test_other_versions_are_refused(model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from baracuda_ffi import transformers as ours

    for version in ("4.57.1", "5.25.0", "6.0.0.dev0"):
        monkeypatch.setattr(ours.transformers, "__version__", version)
        with pytest.raises(bf.Unsupported, match=rf"transformers is {version}; it should be 5.0 to 5.24"):
            new_cache(model)


@pytest.mark.parametrize(
    "call", [lambda cache: cache.layers[0].crop(-1), lambda cache: cache.layers[0].offload()]
)
def test_what_it_cannot(model: Any, call: Any) -> None:
    with pytest.raises(bf.Unsupported):
        call(new_cache(model))


def test_attention_sinks_are_refused(model: Any) -> None:
    """What sdpa leaves out without a word."""
    from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

    new_cache(model)
    attention = ALL_ATTENTION_FUNCTIONS["baracuda_ffi"]
    states = [torch.zeros(1, heads, 2, 16) for heads in (4, 2, 2)]
    with pytest.raises(bf.Unsupported, match="attention sinks are not there"):
        attention(model, *states, None, s_aux=torch.zeros(4))
