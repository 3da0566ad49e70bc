"""What the loop says while it runs, and at its end."""

from __future__ import annotations

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path

    from .caches import PagedCache
    from .engine import Tally


def progress(console: Console) -> Progress:
    """A line for each thing that is counted."""
    return Progress(
        TextColumn("{task.description:<28}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
    )


def summary(tally: Tally, cache: PagedCache, append_share: float) -> list[str]:
    """What one engine did."""
    used = [used for used, _ in tally.pages]
    manager = cache.manager
    lines = [
        f"{tally.finished} sequences finished, {tally.generated} tokens in {tally.steps} steps, "
        f"{tally.seconds:.2f} s: {tally.generated / tally.seconds:.0f} tokens a second "
        f"({tally.rows / tally.seconds:.0f} rows)",
        f"{tally.chunks} steps with a part of a prompt, {tally.forks} forks with {cache.copied} pages "
        f"copied, {tally.found} tokens found in shared prefixes, {tally.preempted} preempted and resumed",
        f"pages in use: {sum(used) / len(used):.0f} on average, {max(used)} at most, of {manager.num_pages}; "
        f"{manager.num_used} in use and {manager.num_cached} kept for their blocks at the end",
        f"the append took {append_share:.1%} of the time of a step",
    ]
    if tally.padded:
        how = "one CUDA graph each" if cache.arrays.on_gpu else "of a padded batch, as a CUDA graph would be"
        lines.append(f"{tally.padded} steps of nothing but decoding were {how}")
    return lines


def verdict(tallies: list[Tally], tolerance: float) -> list[str]:
    """Whether the tokens are those of a dense cache."""
    wrong = [said for tally in tallies for said in tally.wrong]
    generated = sum(tally.generated for tally in tallies)
    forced = sum(tally.forced for tally in tallies)
    if wrong:
        count = f"{len(wrong)} of {generated}"
        return [*wrong[:10], f"WRONG: {count} tokens are not those of a dense cache"]
    if tolerance:
        return [
            f"RIGHT: token for token what a dense cache gives; {forced} of {generated} were forced, where "
            f"its two best logits were closer than {tolerance:g}"
        ]
    return [f"RIGHT: token for token what a dense cache gives, {generated} tokens"]


def plot(tally: Tally, num_pages: int, path: Path) -> None:
    """Pages in use, and kept, over the steps."""
    from matplotlib import pyplot

    used, cached = zip(*tally.pages, strict=True)
    figure, axes = pyplot.subplots(figsize=(9, 4))
    axes.stackplot(range(len(used)), used, cached, labels=("in use", "free, with a block to share"))
    axes.axhline(num_pages, color="black", linewidth=1, label="all pages")
    axes.set_xlabel("step")
    axes.set_ylabel("pages")
    axes.legend(loc="lower right")
    figure.tight_layout()
    figure.savefig(path)
    pyplot.close(figure)
