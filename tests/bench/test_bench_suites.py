"""The suites as far as they go without a GPU, and what they do when things go wrong."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from baracuda_ffi._model.errors import BaracudaError
from baracuda_ffi._model.workspace import Workspace
from baracuda_ffi._native.devices import Driver
from baracuda_ffi.benchmarks import runner
from baracuda_ffi.benchmarks.absent import Absent, optional
from baracuda_ffi.benchmarks.operands.numpy_operands import check_writes, host_operands
from baracuda_ffi.benchmarks.operands.problem import Problem, random_page_table
from baracuda_ffi.benchmarks.operands.torch_operands import check_writes as check_torch_writes
from baracuda_ffi.benchmarks.operands.torch_operands import operand_sets
from baracuda_ffi.benchmarks.ours.c_loop import CLoop, append_struct
from baracuda_ffi.benchmarks.ours.statements import NAMES, RUN_STREAM_OBJECT, call
from baracuda_ffi.benchmarks.peers import device_copy
from baracuda_ffi.benchmarks.peers.indexing import by_index
from baracuda_ffi.benchmarks.report.loading import load
from baracuda_ffi.benchmarks.report.results import ABSENT, FAILED, MEASURED, OURS
from baracuda_ffi.benchmarks.running import compiled, gpu
from baracuda_ffi.benchmarks.running.paths import Call
from baracuda_ffi.benchmarks.settings import L2_MODES, SUITES, Settings
from baracuda_ffi.benchmarks.suites import cold, run_suite
from baracuda_ffi.cli import main


@pytest.mark.parametrize("batch", [1, 3, 100])
def test_page_tables_are_legal_for_both_conventions(batch: int) -> None:
    problem = Problem(batch)
    table = random_page_table(problem, seed=5)
    assert len(set(table.last_pages.tolist())) == batch
    assert table.indices.min() >= 0
    assert table.indices.max() < problem.pages
    assert table.last_page_len.min() >= 1
    assert table.last_page_len.max() < problem.page_size
    assert table.indptr[-1] == len(table.indices)


@pytest.mark.parametrize("layout", ["HND", "NHD"])
@pytest.mark.parametrize("element", ["f16", "f32"])
def test_every_way_of_ours_and_numpys_writes_what_it_should(layout: str, element: str) -> None:
    problem = Problem(5, element=element, layout=layout)
    sets = [host_operands(problem, seed) for seed in range(2)]
    for name in NAMES:
        if name != RUN_STREAM_OBJECT:
            check_writes(sets[0], call(name, problem, sets, None))
    first = sets[0]
    check_writes(first, by_index(layout, first.arrays, first.pages, first.slots))


@pytest.mark.parametrize("l2", L2_MODES)
def test_what_launches_share_of_their_operands(l2: str) -> None:
    torch = pytest.importorskip("torch")
    sets = operand_sets(torch, Problem(2), "cpu", 1 if l2 == "warm" else 3, l2)
    caches = {operands.k_data.data_ptr() for operands in sets}
    inputs = {(operands.key.data_ptr(), operands.indices.data_ptr()) for operands in sets}
    assert (len(sets), len(caches), len(inputs)) == {
        "decode": (3, 3, 1),
        "rotate": (3, 1, 3),
        "warm": (1, 1, 1),
    }[l2]
    for operands in sets:
        check_torch_writes(
            operands,
            Call(
                "plan.run(None, workspace, args)",
                {"plan": operands.problem.select(None), "workspace": Workspace.NONE, "args": operands.args()},
            ),
        )
    sources = {call.names["source"].data_ptr() for call in device_copy.copies(sets)}
    assert len(sources) == len(inputs)


def test_a_path_that_writes_elsewhere_is_found_out() -> None:
    operands = host_operands(Problem(5), seed=1)
    with pytest.raises(RuntimeError, match="did not write the key rows"):
        check_writes(operands, Call("pass", {}))
    one_off = by_index("HND", operands.arrays, operands.pages, operands.slots - 1)
    with pytest.raises(RuntimeError, match="did not write the key rows"):
        check_writes(operands, one_off)


def test_the_c_loop_appends_and_reports_a_refusal() -> None:
    try:
        compiled.launch_loop()
    except Absent as error:
        pytest.skip(str(error))
    problem = Problem(5)
    operands = host_operands(problem, seed=1)
    loop = CLoop([append_struct(problem, operands.seven(), None)], operands)
    check_writes(operands, loop)  # type: ignore[arg-type]
    assert loop.seconds(10) > 0
    operands.arrays["indices"][:] = problem.pages
    with pytest.raises(BaracudaError, match="page"):
        loop.seconds(1)


def test_a_statement_is_timed_and_divided_by_its_appends() -> None:
    calls: list[int] = []
    two = Call("append(1); append(2)", {"append": calls.append}, appends=2)
    two.once()
    assert calls == [1, 2]
    assert two.seconds(10) > 0
    assert len(calls) == 2 + 10


def test_what_did_not_compile_is_not_compiled_again() -> None:
    attempts = []

    @compiled.remembered
    def build(kind: type[Exception]) -> None:
        attempts.append(kind)
        raise kind("nothing to compile with")

    for kind in (Absent, KeyError):
        for _ in range(2):
            with pytest.raises((Absent, KeyError, RuntimeError), match="nothing to compile with"):
                build(kind)
    assert attempts == [Absent, KeyError]


def test_what_is_not_installed_is_absent() -> None:
    assert optional("numpy", "NumPy") is np
    with pytest.raises(Absent, match="Such a Thing is not installed"):
        optional("no_such_module_anywhere.inside", "Such a Thing")


@pytest.mark.parametrize("suite", ["kernel", "graph"])
def test_suites_of_the_gpu_say_why_they_did_not_run(suite: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu, "find_devices", lambda: Driver(problem="there is no driver in this test"))
    result = run_suite(suite, Settings())
    assert (result.status, result.why) == (ABSENT, "there is no driver in this test")


def test_a_suite_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValueError, match="there is no suite 'speed'"):
        run_suite("speed", Settings())


def test_a_suite_whose_process_dies_is_a_result(capfd: pytest.CaptureFixture[str]) -> None:
    result = runner.run_alone("speed", Settings())
    assert (result.status, result.why) == (FAILED, "its process ended with 1")
    assert "there is no suite 'speed'" in capfd.readouterr().err


def test_a_cold_process_passes_its_milestones_in_order() -> None:
    parts: dict[str, list[float]] = {}
    seconds = cold.start("host", parts)
    assert list(parts) == [
        "operands made",
        "baracuda_ffi imported",
        "library loaded, plan selected",
        "finished",
    ]
    assert all(part[0] > 0 for part in parts.values())
    assert sum(part[0] for part in parts.values()) == pytest.approx(seconds)


def test_a_cold_process_imports_nothing_that_lies_beside_it() -> None:
    child = Path(cold.__file__).with_name("child.py")
    done = subprocess.run(
        [sys.executable, "-i", child, "interpreter"],
        input="from importlib.util import find_spec; print('beside:', find_spec('child'))\n",
        capture_output=True,
        text=True,
        check=True,
    )
    assert "beside: None" in done.stdout


def test_flashinfer_is_first_started_with_nothing_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = iter([30.0, 3.0])
    monkeypatch.setattr(cold, "find_spec", lambda _: object())
    monkeypatch.setattr(cold, "start", lambda *_: next(seconds))
    rows = cold._flashinfer(Settings())
    assert [(row.path, row.summary and row.summary.median) for row in rows] == [
        ("flashinfer-python, nothing compiled before", 30.0),
        ("flashinfer-python, compiled before", 3.0),
    ]


def test_a_cold_process_that_fails_says_why() -> None:
    with pytest.raises(RuntimeError, match=r"No module named|CUDA|torch"):
        cold.start("flashinfer", {}, {"PYTHONNOUSERSITE": "1", "CUDA_VISIBLE_DEVICES": ""})


@pytest.mark.slow
def test_the_command_measures_shows_writes_and_plots(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("matplotlib", reason="the bench extra is not installed")
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    file, plots = tmp_path / "run.json", tmp_path / "plots"
    assert (
        main(["bench", "host", "cold", "launch", "--quick", "--json", str(file), "--plot", str(plots)]) == 0
    )
    assert "append_paged_kv" in capsys.readouterr().out
    report = load(file)
    assert [suite.name for suite in report.suites] == ["host", "cold", "launch"]
    assert report.settings["quick"] is True
    for suite in report.suites:
        assert suite.status == MEASURED, suite.why
        for case in suite.cases:
            for row in case.rows:
                assert row.status != FAILED, row
                if row.role == OURS and row.status == MEASURED:
                    assert row.summary
                    assert row.summary.p10 <= row.summary.median <= row.summary.p90
    host, cold_start, _ = report.suites
    assert "compiled at every start" in cold_start.notes["bytecode"]
    assert {case.parameters["batch"] for case in host.cases} >= {1, 4096}
    unjudged = [target.name for target in host.targets if target.met is None]
    assert [name for name in unjudged if "torch" not in name] == []
    assert (plots / "host.png").is_file()
    # Shown again from the file, nothing measured.
    assert main(["bench", "--load", str(file)]) == 0
    assert "append_paged_kv" in capsys.readouterr().out
    assert main(["bench", "--compare", str(file), str(file)]) == 0
    assert "0 changed beyond the spread" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "code", "complaint"),
    [
        (["speed"], 2, f"there is no suite 'speed'; there are {', '.join(SUITES)}"),
        (["--load", "nowhere.json"], 1, "nowhere.json"),
        (["--compare", "nowhere.json", "nowhere.json"], 1, "nowhere.json"),
    ],
)
def test_mistakes_on_the_command_line(
    arguments: list[str], code: int, complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bench", *arguments]) == code
    assert complaint in capsys.readouterr().err


def test_runs_of_two_machines_are_not_joined(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from bench_reports import report

    one, two = tmp_path / "one.json", tmp_path / "two.json"
    report().save(one)
    data = json.loads(one.read_text())
    data["machine"]["cpu"] = "another"
    two.write_text(json.dumps(data))
    assert main(["bench", "--load", str(one), str(two)]) == 1
    assert "of different machines" in capsys.readouterr().err
    assert main(["bench", "--load", str(one), str(one)]) == 0
