"""``baracuda_ffi.examples.serve``: the serving loop is right in every mode, and says so; what is wrong is
found."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from support.processes.python import run_python

SMALL = ("--requests", "12", "--new-tokens", "24", "--pages", "40")
SERVE = ("-m", "baracuda_ffi.examples.serve")
TORCHRUN = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")


def said_by(*arguments: str, timeout: float = 240, **environment: str) -> str:
    done = run_python(*arguments, timeout=timeout, OMP_NUM_THREADS="1", **environment)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def number_before(what: str, said: str) -> int:
    found = re.search(rf"(\d+) {re.escape(what)}", said)
    assert found, (what, said)
    return int(found[1])


def test_by_itself() -> None:
    """With its defaults it does all that it is about."""
    said = said_by(*SERVE)
    assert said.splitlines()[-1].startswith("RIGHT: token for token what a dense cache gives, ")
    for what in ("sequences finished", "steps with a part of a prompt", "forks with", "pages copied"):
        assert number_before(what, said) > 0
    for what in ("tokens found in shared prefixes", "preempted and resumed"):
        assert number_before(what, said) > 0
    assert " 0 in use " in said


@pytest.mark.parametrize("seed", ["1", "2"])
def test_other_requests(seed: str) -> None:
    assert "RIGHT: " in said_by(*SERVE, *SMALL, "--seed", seed)


BROKEN = {
    "no page is copied": "bf.copy_pages = lambda *arguments, **options: None",
    "one append in a hundred is left out": """
calls, append = itertools.count(1), bf.append_paged_kv
bf.append_paged_kv = lambda *a, **o: next(calls) % 100 == 0 or append(*a, **o)
""",
    "a prefix is found that is another's": """
add = bf.BlockManager.add
bf.BlockManager.add = lambda manager, tokens=(): add(manager, [0 for _ in tokens])
grow = bf.BlockManager.grow
bf.BlockManager.grow = lambda manager, s, tokens: grow(manager, s, [0 for _ in tokens])
""",
}
PROGRAM = """
import itertools, sys
import baracuda_ffi as bf
{}
from baracuda_ffi.examples.serve.command import main
sys.exit(main([]))
"""


@pytest.mark.parametrize("broken", BROKEN)
def test_what_is_wrong_is_found(broken: str) -> None:
    done = run_python("-c", PROGRAM.format(BROKEN[broken]), timeout=240, OPENBLAS_NUM_THREADS="1")
    assert done.returncode == 1, done.stderr
    assert re.fullmatch(
        r"WRONG: \d+ of \d+ tokens are not those of a dense cache", done.stdout.splitlines()[-1]
    )


def test_the_pages_are_drawn(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    said_by(*SERVE, *SMALL, "--plot", str(tmp_path / "pages.png"))
    assert (tmp_path / "pages.png").stat().st_size > 5000


def test_torch_on_the_cpu() -> None:
    pytest.importorskip("torch")
    said = said_by(*SERVE, *SMALL, "--device", "cpu")
    assert "RIGHT: " in said
    assert number_before("steps of nothing but decoding were of a padded batch", said) > 10


@pytest.mark.parametrize(
    ("mode", "device"),
    [("--tensor-parallel", "numpy"), ("--disaggregated", "numpy"), ("--tensor-parallel", "cpu")],
)
def test_two_ranks(mode: str, device: str) -> None:
    pytest.importorskip("torch")
    said = said_by(*TORCHRUN, *SERVE, *SMALL, mode, "--device", device)
    assert said.splitlines()[-1].startswith("RIGHT: token for token what a dense cache gives")
    assert "rank 1: " in said


def test_several_ranks_are_started_by_torchrun() -> None:
    pytest.importorskip("torch")
    done = run_python(*SERVE, "--tensor-parallel")
    assert done.returncode != 0
    assert "several ranks are started by torchrun" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--pages", "4"], "4 pages have no room for it"),
        (
            ["--attention", "flashinfer"],
            "FlashInfer's attention does not work here: it is for --device cuda --dtype f16",
        ),
    ],
)
def test_what_it_cannot(arguments: list[str], says: str) -> None:
    done = run_python(*SERVE, *SMALL[:4], *arguments)
    assert done.returncode != 0
    assert says in done.stderr


@pytest.mark.gpu
@pytest.mark.parametrize("dtype", ["f32", "f16"])
def test_on_a_gpu_the_decode_step_is_one_graph(dtype: str) -> None:
    pytest.importorskip("torch")
    said = said_by(*SERVE, "--device", "cuda", "--dtype", dtype, "--attention", "gather")
    assert "RIGHT: " in said
    assert "a plain gather" in said
    assert number_before("steps of nothing but decoding were one CUDA graph each", said) > 50


@pytest.mark.gpu
def test_on_a_gpu_by_flashinfers_attention() -> None:
    pytest.importorskip("torch")
    pytest.importorskip("flashinfer")
    said = said_by(*SERVE, "--device", "cuda", timeout=500)
    assert "RIGHT: " in said
    assert "FlashInfer's attention" in said
    assert number_before("steps of nothing but decoding were one CUDA graph each", said) > 50


@pytest.mark.gpu
def test_on_a_gpu_without_flashinfer_pages_are_gathered(tmp_path: Path) -> None:
    """Or where it does not work."""
    pytest.importorskip("torch")
    (tmp_path / "flashinfer.py").write_text("raise ImportError('no compiler')")
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    said = said_by(*SERVE, *SMALL, "--device", "cuda", PYTHONPATH=path)
    assert "pages are gathered: FlashInfer's attention does not work here: no compiler" in said
    assert "RIGHT: " in said
    assert "a plain gather" in said


@pytest.mark.multigpu
@pytest.mark.parametrize("mode", ["--tensor-parallel", "--disaggregated"])
def test_on_two_gpus(mode: str) -> None:
    pytest.importorskip("torch")
    assert "RIGHT: " in said_by(*TORCHRUN, *SERVE, mode, "--device", "cuda")
