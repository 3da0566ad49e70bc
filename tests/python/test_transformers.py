"""baracuda_ffi.transformers: greedy and beam search give the tokens that transformers' own cache gives."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterator
from typing import Any

import pytest

import baracuda_ffi as bf

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

pytestmark = pytest.mark.filterwarnings("ignore")  # transformers' and torch's own, about each other

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


@pytest.fixture(params=[llama, qwen, gemma, capped], ids=lambda make: make.__name__)
def model(request: pytest.FixtureRequest) -> Iterator[Any]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    yield request.param().eval()
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


@pytest.mark.gpu
@pytest.mark.parametrize("implementation", ["baracuda_ffi", ITS_OWN])
def test_on_a_gpu(model: Any, implementation: str) -> None:
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


@pytest.mark.gpu
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
def test_on_a_gpu_by_flashinfers_attention(make: Any, dtype: str, monkeypatch: pytest.MonkeyPatch) -> None:
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


@pytest.mark.gpu
@pytest.mark.parametrize("assistant", ["a model", "the prompt"])
def test_on_a_gpu_guesses_are_taken_back_by_flashinfers_attention(
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


@pytest.mark.gpu
def test_on_a_gpu_tokens_are_taken_back_by_flashinfers_attention() -> None:
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


@pytest.mark.gpu
def test_on_a_gpu_beams_by_flashinfers_attention() -> None:
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


@pytest.mark.gpu
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
