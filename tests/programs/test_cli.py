"""The command line: what it prints, its exit codes, and that `python -m baracuda_ffi` is the same."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import numpy as np
import pytest

import baracuda_ffi as bf
from baracuda_ffi import cli
from baracuda_ffi._native import devices
from support.devices.device import device_count
from support.processes.python import TESTS, run_python


def command(*arguments: str, code: int = 0, **environment: str) -> str:
    """What `python -m baracuda_ffi` printed on both streams, at a width that wraps no line."""
    settings = {"COLUMNS": "160", "NO_COLOR": "1"} | environment
    done = run_python("-m", "baracuda_ffi", *arguments, **settings)
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout + done.stderr


def test_info_says_what_was_built() -> None:
    said = command("info")
    info = bf.build_info()
    for part in (info.version, str(bf.library_path()), *info.backends):
        assert part in said
    for part in (info.flashinfer, info.cuda, *info.archs):
        assert part is None or part in said
    for code, driver in info.drivers:
        assert re.search(rf"\b{code}\b[^;\n]*\(driver of CUDA {driver} or newer\)", said)
    assert len(re.findall(r"^device \d", said, re.MULTILINE)) == device_count()


@pytest.mark.skipif(device_count() > 0, reason="needs a machine without a CUDA device, this one has one")
def test_info_says_why_the_gpu_is_not_used() -> None:
    said = command("info")
    assert "The GPU is not used:" in said
    assert re.search(r"driver|built without CUDA", said.split("The GPU is not used:")[1])


def test_a_devices_name_ends_at_its_first_nul(monkeypatch: pytest.MonkeyPatch) -> None:
    """cuda.bindings gives the whole buffer back, and releases of it differ in what is behind the name."""
    answers = {"cuDeviceGetName": b"A GPU" + bytes(3) + 8 * b" ", "cuDeviceGetCount": 1}

    class OneDevice:
        def __init__(self, name: str) -> None: ...

        def call(self, function: str, *arguments: object) -> object:
            return answers.get(function, 0)

    bindings = SimpleNamespace(CUdevice_attribute=MagicMock())
    for package in ("cuda", "cuda.bindings"):
        monkeypatch.setitem(sys.modules, package, ModuleType(package))
    monkeypatch.setitem(sys.modules, "cuda.bindings.driver", bindings)
    monkeypatch.setattr(devices.cuda, "is_there", lambda: True)
    monkeypatch.setattr(devices.cuda, "Driver", OneDevice)
    assert [device.name for device in devices.find_devices().devices] == ["A GPU"]


@pytest.mark.gpu
def test_info_shows_the_devices() -> None:
    said = command("info")
    assert "The GPU is used." in said
    assert re.search(r"^device 0 .*GiB.*sm_\d+", said, re.MULTILINE)


def test_demo_on_the_host() -> None:
    """A prefill of several requests and a dozen steps across page boundaries, each compared whole."""
    said = command("demo", "--backend", "host")
    assert re.search(
        r"prefill .*\n.*a: 3 tokens in page .*b: 7 tokens in pages .*c: page \d+ new slot 0", said
    )
    assert "HOST backend" in said
    for step in range(1, 13):
        assert re.search(rf"\b{step}\b", said)
    assert re.search(r"all \d+ bytes of both caches", " ".join(said.split()))


@pytest.mark.parametrize("seed", ["0", "1", "12345"])
def test_demo_is_right_whatever_the_order_of_the_pages(seed: str) -> None:
    command("demo", "--backend", "host", "--seed", seed)


def test_demo_takes_what_is_there_and_says_so_first() -> None:
    """Without a GPU it is calm: why there is none comes last."""
    body, _, footnote = command("demo").partition("RIGHT")
    assert re.match(r"Runs on .*: the (HOST|BESPOKE) backend", body)
    assert "GPU" not in body.partition("\n")[2]
    assert ("No GPU was used: " in footnote) == (device_count() == 0)


@pytest.mark.gpu
def test_demo_on_the_gpu() -> None:
    assert "BESPOKE" in command("demo", "--backend", "cuda").upper()


@pytest.mark.skipif(device_count() > 0, reason="needs a machine without a CUDA device, this one has one")
def test_demo_on_a_gpu_that_is_not_there() -> None:
    assert "GPU" in command("demo", "--backend", "cuda", code=1)


def test_a_demo_that_finds_a_wrong_byte_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """The verdict is one that can be bad: with an oracle that is off by one slot it is."""
    from baracuda_ffi.cli import demo

    right = demo.append_paged_kv_reference

    def off_by_one(key, value, *caches, **options):  # type: ignore[no-untyped-def]
        right(key, value, *caches, **options)
        for cache in caches:
            cache[...] = np.roll(cache, 1, axis=2)

    monkeypatch.setattr(demo, "append_paged_kv_reference", off_by_one)
    assert cli.main(["demo", "--backend", "host"]) == 1


def test_a_library_that_is_not_there(tmp_path: Path) -> None:
    absent = str(tmp_path / "absent.so")
    for subcommand in ("info", "demo"):
        said = command(subcommand, code=1, BARACUDA_FFI_LIBRARY=absent)
        assert absent in said.replace("\n", "")


def test_the_version() -> None:
    assert bf.build_info().version in command("--version")


def test_help() -> None:
    for arguments in (["--help"], ["demo", "--help"], ["info", "--help"]):
        assert "usage" in command(*arguments).lower()
    assert "demo" in command(code=2)


@pytest.mark.parametrize(
    "arguments",
    [
        ["dance"],
        ["demo", "--backend", "tpu"],
        *[["demo", "--seed", seed] for seed in ("x", "-1", "", "\u00b2")],
    ],
)
def test_what_is_not_understood(arguments: list[str]) -> None:
    assert "usage" in command(*arguments, code=2).lower()


def test_no_colour_codes_in_a_pipe() -> None:
    assert "\x1b" not in command("info") + command("demo", "--backend", "host")


#: Each of which prints something without measuring.
TALKATIVE = (["info"], ["demo", "--backend", "host"], ["--version"], ["--help"], ["demo", "--help"])


def start(*arguments: str, stdout: Any, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "baracuda_ffi", *arguments],
        cwd=TESTS,
        env=os.environ | environment,
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # As a terminal has it: what runs in the background of a script is born with interrupts ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


@pytest.mark.parametrize("buffered", ["", "1"])
@pytest.mark.parametrize("arguments", TALKATIVE, ids=" ".join)
def test_a_full_disk(arguments: list[str], buffered: str) -> None:
    """Whether the first write finds out or the last."""
    with open("/dev/full", "w") as full:
        process = start(*arguments, stdout=full, PYTHONUNBUFFERED=buffered)
        _, said = process.communicate()
    assert process.returncode == 1
    assert said == "baracuda-ffi: the output could not be written: No space left on device\n"


@pytest.mark.parametrize("arguments", TALKATIVE, ids=" ".join)
def test_output_that_nobody_reads(arguments: list[str]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    process = start(*arguments, stdout=writer)
    os.close(writer)
    _, said = process.communicate()
    assert (process.returncode, said) == (1, "")


@pytest.mark.parametrize("suite", ["host", "cold"])
def test_an_interrupt_leaves_no_traceback(suite: str) -> None:
    """To the whole group, as a terminal sends it, while a suite is at work; what that started is gone too."""
    process = start("bench", suite, "--quick", stdout=subprocess.DEVNULL)
    assert process.stderr is not None
    assert process.stderr.readline().startswith(f"{suite}: 1 of ")
    os.killpg(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=60)  # which ends when all that hold its stderr have
    assert process.returncode == 130
    assert "Traceback" not in said


#: Interrupts the process at the import of a module, or tells what is imported once the command has begun.
AT_AN_IMPORT = """
import os, sys
chosen, seen = sys.argv.pop(1), []
def hook(event, arguments):
    if event == "import" and "baracuda_ffi.__main__" in sys.modules:
        seen.append(arguments[0])
        if arguments[0] == chosen:
            os.kill(os.getpid(), 2)
sys.addaudithook(hook)
from baracuda_ffi.__main__ import main
code = main()
if not chosen:
    print(*seen, file=sys.stderr)
sys.exit(code)
"""


def interrupted_at(module: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", AT_AN_IMPORT, module, *arguments],
        cwd=TESTS,
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


@pytest.mark.parametrize("arguments", [["--version"], ["info"]], ids=" ".join)
def test_an_interrupt_while_anything_is_imported(arguments: list[str]) -> None:
    """Before that are only Python itself, the script's two lines, and the module that sees to it."""
    modules = list(dict.fromkeys(interrupted_at("", *arguments).stderr.split()))
    modules = modules[modules.index("baracuda_ffi.cli") :]
    assert "argparse" in modules
    assert len(modules) > 20
    for module in [*modules[:10], *modules[10 :: max(1, len(modules) // 20)]]:
        done = interrupted_at(module, *arguments)
        assert done.returncode in (-signal.SIGINT, 130), module
        assert done.stderr == "", module


def test_an_interrupt_that_somebody_makes_another_error_of() -> None:
    """As NumPy does while it is imported; and an error without an interrupt is shown."""
    program = """
import os, signal, sys
from baracuda_ffi import _interrupts
def program():
    try:
        if sys.argv[1] == "interrupted":
            os.kill(os.getpid(), signal.SIGINT)
        raise ValueError("of its own")
    except KeyboardInterrupt:
        raise ImportError("a bad install")
sys.exit(_interrupts.run(program))
"""
    for what, code, says in (("interrupted", 130, ""), ("not", 1, "ValueError: of its own")):
        done = subprocess.run(
            [sys.executable, "-c", program, what],
            cwd=TESTS,
            capture_output=True,
            text=True,
            check=False,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        assert done.returncode == code
        assert (says in done.stderr) if says else done.stderr == ""


def test_interrupts_that_are_ignored_stay_so() -> None:
    """As in the background of a script."""
    done = subprocess.run(
        [sys.executable, "-c", AT_AN_IMPORT, "argparse", "--version"],
        cwd=TESTS,
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),
    )
    assert (done.returncode, done.stdout) == (0, f"baracuda-ffi {bf.build_info().version}\n")


def test_an_interrupt_of_anything_else(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(arguments: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr("baracuda_ffi.cli.info.run", interrupted)
    assert cli.main(["info"]) == 130
