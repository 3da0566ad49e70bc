"""The command: who computes, and how many of them."""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.console import Console

from . import report
from .arrays import NumPyArrays, TorchArrays, alone
from .caches import PagedCache
from .engine import Engine
from .flashinfer_attention import HEAD_DIM, FlashInferAttention, why_not
from .model import Model, Shape
from .workload import make_requests

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from rich.progress import Progress

    from .arrays import Arrays
    from .ranks import Ranks
    from .workload import Request

# What f32 and f16 leave of a logit, of 1 or so, where sums are taken in other orders.
_TOLERANCE = {"f32": 1e-3, "f16": 5e-2}


def parser() -> argparse.ArgumentParser:
    """The options."""
    options = argparse.ArgumentParser(
        "python -m baracuda_ffi.examples.serve",
        description="A serving loop over a paged KV-cache, checked token for token against a dense one.",
    )
    for name, default, what in (
        ("--requests", 32, "that arrive"),
        ("--new-tokens", 48, "of a request, at most"),
        ("--pages", 56, "of the cache"),
        ("--page-size", 8, "tokens a page"),
        ("--batch", 8, "requests at once, at most"),
        ("--rows", 48, "tokens a step, at most"),
        ("--seed", 0, "of weights and requests"),
    ):
        options.add_argument(
            name, type=int, default=default, metavar="N", help=f"{what} (default: {default})"
        )
    options.add_argument(
        "--device", default="numpy", help="numpy, or one of torch's: cpu, cuda (default: numpy)"
    )
    options.add_argument(
        "--dtype", choices=("f32", "f16"), help="of torch (default: f16 on a GPU, f32 on the CPU)"
    )
    options.add_argument(
        "--attention",
        choices=("gather", "flashinfer"),
        help="a plain gather, or FlashInfer's (default: FlashInfer's on a GPU in f16, where it works)",
    )
    options.add_argument("--plot", type=Path, metavar="FILE", help="draw the pages in use, step by step")
    several = options.add_mutually_exclusive_group()
    several.add_argument(
        "--tensor-parallel",
        action="store_true",
        help="under torchrun: heads and MLP split over the ranks, by gloo on CPUs and NCCL on GPUs",
    )
    several.add_argument(
        "--disaggregated",
        action="store_true",
        help="under torchrun with 2 ranks: one prefills and sends its pages, the other decodes",
    )
    return options


def main(arguments: list[str] | None = None) -> int:
    """0 if every token is right."""
    given = parser().parse_args(arguments)
    given.dtype = given.dtype or ("f16" if given.device.startswith("cuda") else "f32")
    if not given.tensor_parallel and not given.disaggregated:
        return _run(given, None)
    from .ranks import Ranks

    ranks = Ranks(given.device)
    try:
        return _run(given, ranks)
    finally:
        ranks.leave()


def _run(given: Any, ranks: Ranks | None) -> int:
    rank = ranks.rank if ranks else 0
    console = Console(highlight=False, quiet=rank > 0)
    arrays = _arrays(given, alone)
    shape = Shape()
    _choose_attention(given, arrays, console)
    if given.attention == "flashinfer":
        shape = shape._replace(head_dim=HEAD_DIM)
    whole = Model(shape, arrays, given.seed)
    how = "FlashInfer's attention" if given.attention == "flashinfer" else "a plain gather"
    console.print(f"{arrays.name}, {how}: {whole.shape}", markup=False, soft_wrap=True)
    with report.progress(console) as bar:
        requests = _requests(given, whole, ranks, bar)
        engine = _engine(given, whole, ranks)
        _serve(engine, requests, ranks, bar)
    wrong, lines = _lines(given, engine, ranks)
    for line in lines:
        console.print(line, markup=False, soft_wrap=True)
    if given.plot and rank == 0:
        report.plot(engine.tally, given.pages, given.plot)
        console.print(f"pages over the steps: {given.plot}", markup=False, soft_wrap=True)
    return 1 if wrong else 0


def _arrays(given: Any, all_reduce: Callable[[Any], Any]) -> Arrays:
    if given.device == "numpy":
        return NumPyArrays(all_reduce)
    return TorchArrays(given.device, given.dtype, all_reduce)


def _choose_attention(given: Any, arrays: Arrays, console: Console) -> None:
    """Where nobody did."""
    if given.attention == "gather" or (given.attention is None and not arrays.on_gpu):
        given.attention = "gather"
        return
    missing = why_not(arrays)
    if missing and given.attention:
        raise SystemExit(f"FlashInfer's attention does not work here: {missing}")
    if missing:
        console.print(
            f"pages are gathered: FlashInfer's attention does not work here: {missing}", markup=False
        )
    given.attention = "gather" if missing else "flashinfer"


def _requests(given: Any, model: Model, ranks: Ranks | None, bar: Progress) -> list[Request]:
    """The dense cache answers in one process, whatever there are."""
    requests: list[Request] = []
    if ranks is None or ranks.rank == 0:
        dense = bar.add_task("a dense cache, by itself", total=given.requests)
        requests = make_requests(
            model, given.requests, given.new_tokens, given.seed, lambda: bar.advance(dense)
        )
    if ranks:
        requests = ranks.told_by_first(requests)
    longest = max(len(r.prompt) + len(r.expected) for r in requests)
    if longest > min(given.pages * given.page_size, model.shape.max_tokens):
        raise SystemExit(f"a request has {longest} tokens; {given.pages} pages have no room for it")
    return requests


def _engine(given: Any, whole: Model, ranks: Ranks | None) -> Engine:
    kind: type[Engine] = Engine
    model = whole
    if ranks and given.tensor_parallel:
        arrays = _arrays(given, ranks.all_reduce)
        model = Model(whole.shape, arrays, given.seed, ranks.rank, ranks.count)
    elif ranks:
        from .disaggregated import DECODE, Decode, Prefill

        if ranks.count != 2:
            raise SystemExit(f"there are {ranks.count} ranks; disaggregated there should be 2")
        kind = Decode if ranks.rank == DECODE else Prefill
    exact = isinstance(model.arrays, NumPyArrays) and not given.tensor_parallel
    cache = PagedCache(model, given.pages, given.page_size, given.batch, given.rows)
    decode = None
    if isinstance(model.arrays, TorchArrays):
        if given.attention == "flashinfer":
            cache.flashinfer = FlashInferAttention(model, model.arrays, given.page_size)
        from .padded import PaddedDecode

        decode = PaddedDecode(model, cache, model.arrays, given.batch)
    tolerance = 0.0 if exact else _TOLERANCE[given.dtype]
    return kind(model, cache, given.batch, given.rows, tolerance, decode)


def _serve(engine: Engine, requests: list[Request], ranks: Ranks | None, bar: Progress) -> None:
    """All of them, to the end."""
    paged = bar.add_task("pages, all together", total=engine.tokens_of(requests))
    engine.start(requests, ranks)
    while not engine.is_idle:
        engine.step()
        bar.update(paged, completed=engine.tally.generated)


def _lines(given: Any, engine: Engine, ranks: Ranks | None) -> tuple[int, list[str]]:
    """How many tokens are wrong on any rank, and what to say."""
    lines = report.summary(engine.tally, engine.cache, engine.append_share())
    tallies = [engine.tally]
    if ranks:
        each = ranks.from_all((engine.tally, lines))
        tallies = [tally for tally, _ in each]
        lines = [f"rank {rank}: {line}" for rank, (_, said) in enumerate(each) for line in said]
    tolerance = engine.tolerance
    if given.tensor_parallel:  # every rank took every token
        return len(tallies[0].wrong), [*lines, *report.verdict(tallies[:1], tolerance)]
    return sum(len(tally.wrong) for tally in tallies), [*lines, *report.verdict(tallies, tolerance)]
