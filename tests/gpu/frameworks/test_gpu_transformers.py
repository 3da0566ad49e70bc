"""The cache for transformers on a GPU: the tokens of transformers' own, by FlashInfer's attention too."""

from __future__ import annotations

import warnings
from typing import Any

import pytest

from support.problems.language_models import (
    BATCH,
    ITS_OWN,
    MODELS,
    NEW,
    capped,
    crops,
    gemma,
    generated,
    guesses,
    llama,
    new_cache,
    on_one_thread,
    prompts,
    qwen,
    set_attention,
)

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.filterwarnings("ignore"),  # transformers' and torch's own, about each other
]


@pytest.mark.parametrize("implementation", ["baracuda_ffi", ITS_OWN])
@pytest.mark.parametrize("make", MODELS, ids=lambda make: make.__name__)
def test_the_tokens_are_those_of_its_own_cache(make: Any, implementation: str) -> None:
    with on_one_thread(make) as model:
        model.to("cuda")
        right = generated(model)
        cache = new_cache(model)
        set_attention(model, implementation)
        assert generated(model, past_key_values=cache) == right


HALF = {"hidden_size": 256, "head_dim": 64, "initializer_range": 0.2}
# Of the largest logit: what half precision leaves of one where sums are taken in another order.
NEAR = 0.02


class Forced(transformers.LogitsProcessor):  # type: ignore[misc]  # of any base that is installed
    """Makes generate take these tokens, whatever the logits are."""

    def __init__(self, sequences: Any) -> None:
        self.sequences = sequences

    def __call__(self, input_ids: Any, scores: Any) -> Any:
        right = self.sequences[:, input_ids.shape[1]]
        return torch.full_like(scores, float("-inf")).scatter(1, right[:, None], 0.0)


def logits_of(model: Any, **how: Any) -> tuple[Any, Any]:
    """The sequences, and [new, batch, vocabulary]."""
    found = model.generate(
        **prompts("cuda"),
        do_sample=False,
        max_new_tokens=NEW,
        min_new_tokens=NEW,
        pad_token_id=0,
        return_dict_in_generate=True,
        output_logits=True,
        **how,
    )
    return found.sequences, torch.stack(found.logits).float()


def runs_of(flashinfer: Any, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many rows its attention has from now on, run by run."""
    wrapper, runs = flashinfer.BatchPrefillWithPagedKVCacheWrapper, list[int]()
    run = wrapper.run
    monkeypatch.setattr(
        wrapper, "run", lambda own, q, *a, **o: (runs.append(len(q)), run(own, q, *a, **o))[1]
    )
    return runs


@pytest.mark.parametrize(
    ("make", "dtype"),
    [
        (llama, "float16"),
        (qwen, "float16"),
        (gemma, "float16"),
        (gemma, "bfloat16"),
        (capped, "float16"),
    ],
)
def test_by_flashinfers_attention(make: Any, dtype: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own cache's tokens, but where that one's decision was near; the logits are as near everywhere."""
    runs = runs_of(pytest.importorskip("flashinfer"), monkeypatch)
    torch.manual_seed(0)
    model = make(**HALF).eval().to("cuda", getattr(torch, dtype))
    if make is capped:
        model.set_attn_implementation("eager")  # sdpa, which it may have by itself, caps nothing
    sequences, right = logits_of(model)
    cache = new_cache(model)
    model.set_attn_implementation("baracuda_ffi")
    with warnings.catch_warnings():
        warnings.filterwarnings("error", "flashinfer's attention does not work")
        again, found = logits_of(model, past_key_values=cache, logits_processor=[Forced(sequences)])
    assert len(runs) == NEW * model.config.num_hidden_layers
    assert torch.equal(again, sequences)
    tolerance = NEAR * float(right.abs().max())
    best = right.topk(2).values
    near = best[..., 0] - best[..., 1] < tolerance
    other = found.argmax(-1) != right.argmax(-1)
    difference = float((found - right).abs().max())
    print(
        f"{make.__name__}, {dtype}: {int(other.sum())} of {other.numel()} tokens forced, logits differ by "
        f"{difference:.4f} at most, of {float(right.abs().max()):.2f}"
    )
    assert difference < tolerance
    assert not (other & ~near).any()
    assert near.float().mean() < 0.5  # it was about something


def check_but_near_ties(model: Any, right: list[list[int]], found: list[list[int]]) -> None:
    """The same tokens, up to the first whose two best logits are as near as half precision leaves them."""
    for row, (expected, got) in enumerate(zip(right, found, strict=True)):
        others = [place for place, pair in enumerate(zip(expected, got, strict=True)) if len(set(pair)) > 1]
        if others:
            tokens = torch.tensor([expected[: others[0]]], device=model.device)
            seen = prompts(str(model.device))["attention_mask"][row : row + 1]
            seen = torch.nn.functional.pad(seen, (0, tokens.shape[1] - seen.shape[1]), value=1)
            logits = model(tokens, attention_mask=seen, use_cache=False).logits[0, -1].float()
            best = logits.topk(2).values
            assert best[0] - best[1] < NEAR * float(logits.abs().max()), (row, others[0])
            print(f"row {row}: another token at {others[0]}, where the two best logits are near")


@pytest.mark.parametrize("assistant", ["a model", "the prompt"])
def test_guesses_are_taken_back_by_flashinfers_attention(
    assistant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Several tokens of one sequence are attended at once, and those that were guessed wrong are cropped."""
    runs = runs_of(pytest.importorskip("flashinfer"), monkeypatch)
    torch.manual_seed(0)
    model = llama(**HALF).eval().to("cuda", torch.float16)
    right = generated(model, 1)
    how = guesses(model, assistant)
    cache = new_cache(model, batch_size=1)
    cropped = crops(cache, monkeypatch)
    model.set_attn_implementation("baracuda_ffi")
    try:
        found = generated(model, 1, past_key_values=cache, **how)
    except (TypeError, ValueError) as error:  # transformers' own, before 5.18
        pytest.skip(f"transformers {transformers.__version__} does not: {error}")
    assert {1 < rows < 12 for rows in runs} == {True, False}
    assert any(cropped)
    assert cache.manager.num_used == -(-cache.get_seq_length() // 4)
    check_but_near_ties(model, right, found)


def test_tokens_are_taken_back_by_flashinfers_attention() -> None:
    pytest.importorskip("flashinfer")
    torch.manual_seed(0)
    model = llama(**HALF).eval().to("cuda", torch.float16)
    right = generated(model)
    cache = new_cache(model, num_pages=40)
    model.set_attn_implementation("baracuda_ffi")
    check_but_near_ties(model, right, generated(model, past_key_values=cache))
    cache.crop(11)
    assert (cache.get_seq_length(), cache.manager.num_used) == (11, BATCH * 3)
    check_but_near_ties(model, right, generated(model, past_key_values=cache))


def scores_without_a_cache(model: Any, sequences: Any) -> Any:
    """Of sequences of three a prompt: the mean logarithm of the new tokens' probabilities."""
    seen = prompts(str(model.device))["attention_mask"].repeat_interleave(3, 0)
    seen = torch.nn.functional.pad(seen, (0, NEW), value=1)
    places = (seen.cumsum(-1) - 1).clamp(min=0)
    logits = model(sequences, attention_mask=seen, position_ids=places, use_cache=False).logits.float()
    logarithms = logits[:, :-1].log_softmax(-1).gather(-1, sequences[:, 1:, None])[..., 0]
    return logarithms[:, -NEW:].mean(-1)


def test_beams_by_flashinfers_attention() -> None:
    """They share pages; each has the score that its tokens have by themselves, the best its own cache's."""
    pytest.importorskip("flashinfer")
    torch.manual_seed(0)
    model = llama(**HALF).eval().to("cuda", torch.float16)

    def searched(**how: Any) -> Any:
        return model.generate(
            **prompts("cuda"),
            do_sample=False,
            num_beams=3,
            num_return_sequences=3,
            max_new_tokens=NEW,
            min_new_tokens=NEW,
            pad_token_id=0,
            return_dict_in_generate=True,
            output_scores=True,
            **how,
        )

    right = searched()
    cache = new_cache(model, batch_size=BATCH * 3)
    model.set_attn_implementation("baracuda_ffi")
    found = searched(past_key_values=cache)
    assert cache.manager.num_used < BATCH * 3 * -(-(12 + NEW - 1) // 4)
    for each in (right, found):
        assert torch.allclose(each.sequences_scores, scores_without_a_cache(model, each.sequences), atol=NEAR)
    best, ours = (each.sequences_scores.view(BATCH, 3)[:, 0] for each in (right, found))
    assert torch.allclose(best, ours, atol=NEAR)


def test_where_flashinfer_does_not_work_pages_are_gathered(monkeypatch: pytest.MonkeyPatch) -> None:
    flashinfer = pytest.importorskip("flashinfer")

    def plan(*arguments: object, **options: object) -> None:
        raise RuntimeError("no compiler")

    torch.manual_seed(0)
    model = llama(**HALF).eval().to("cuda", torch.float16)
    right, _ = logits_of(model)
    monkeypatch.setattr(flashinfer.BatchPrefillWithPagedKVCacheWrapper, "plan", plan)
    cache = new_cache(model)
    model.set_attn_implementation("baracuda_ffi")
    with pytest.warns(UserWarning, match="flashinfer's attention does not work here, .*no compiler"):
        found, _ = logits_of(model, past_key_values=cache)
    assert torch.equal(found, right)
