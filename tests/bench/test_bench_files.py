"""Where a run is written: a file whole or not at all, a device or a pipe as it is."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path

import pytest
from bench_reports import report

from baracuda_ffi.benchmarks.report import saving
from baracuda_ffi.benchmarks.report.loading import load
from baracuda_ffi.cli import main


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_a_link_stays_one(tmp_path: Path) -> None:
    link, target = tmp_path / "link.json", tmp_path / "there" / "run.json"
    target.parent.mkdir()
    for exists in (False, True):
        link.unlink(missing_ok=True)
        link.symlink_to(target)
        assert target.exists() == exists
        report().save(link)
        assert link.is_symlink()
        assert load(target).suites
    assert files(tmp_path) == ["link.json", "there", "there/run.json"]


def test_a_pipe_gets_the_run_once(tmp_path: Path) -> None:
    pipe, whole = tmp_path / "pipe", tmp_path / "whole.json"
    os.mkfifo(pipe)
    report().save(whole)
    read: list[str] = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_text()), daemon=True)
    reader.start()
    assert main(["bench", "--load", str(whole), "--json", str(pipe)]) == 0
    reader.join(10)
    assert json.loads(read[0]) == json.loads(whole.read_text())


@pytest.mark.slow
def test_a_device_gets_the_run_at_its_end(capfd: pytest.CaptureFixture[str]) -> None:
    """Whatever the number of suites."""
    assert main(["bench", "--quick", "graph", "kernel", "--json", "/dev/stderr"]) == 0
    said = capfd.readouterr().err
    data = json.loads(said[said.index("{") :])
    assert [suite["name"] for suite in data["suites"]] == ["graph", "kernel"]


@pytest.mark.parametrize("name", ["/dev/full", "folder", "file/run.json"])
def test_what_cannot_be_written_is_told(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    report().save(Path("whole.json"))
    before = files(tmp_path)
    assert main(["bench", "--load", "whole.json", "--json", name]) == 1
    (said,) = capsys.readouterr().err.splitlines()
    assert said.startswith("baracuda-ffi: ")
    assert files(tmp_path) == before


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
@pytest.mark.parametrize("name", ["run.json", "new/folder/run.json"])
def test_what_fails_leaves_nothing_behind(
    name: str, error: BaseException, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = "what was there"
    (tmp_path / "run.json").write_text(before)
    write = Path.write_text

    def write_half(path: Path, text: str, **options: str) -> int:
        write(path, text[: len(text) // 2], **options)
        raise error

    monkeypatch.setattr(saving.Path, "write_text", write_half)
    with pytest.raises(type(error)):
        report().save(tmp_path / name)
    assert files(tmp_path) == ["run.json"]
    assert (tmp_path / "run.json").read_text() == before
