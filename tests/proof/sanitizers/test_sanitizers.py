"""The host library under AddressSanitizer, UndefinedBehaviorSanitizer and ThreadSanitizer: sanitize.sh.

The fuzz targets hold each call against a model in C (native/model/model.h): the status, and every byte of an
arena. FUZZ_SECONDS says for how long; an hour is `FUZZ_CORPUS=DIR sanitize.sh BUILD append 3600`.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from support.c_abi.header import compiler

SCRIPT = Path(__file__).parent / "sanitize.sh"
SECONDS = int(os.environ.get("FUZZ_SECONDS", "10"))

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the library is built, once for each kind of sanitizer."""
    return tmp_path_factory.mktemp("sanitizers")


def has_sanitizer(folder: Path, name: str) -> bool:
    source = folder / "probe.c"
    source.write_text("int main(void) { return 0; }\n")
    command = [compiler() or "cc", f"-fsanitize={name}", str(source), "-o", str(folder / "probe")]
    try:
        built = subprocess.run(command, capture_output=True, check=False).returncode == 0
        return (
            built
            and subprocess.run([str(folder / "probe")], capture_output=True, check=False).returncode == 0
        )
    except (OSError, subprocess.CalledProcessError):
        return False


def run_script(folder: Path, what: str, seconds: int, **environment: str) -> subprocess.CompletedProcess[str]:
    needed = "thread" if what in ("threads", "edited_table", "copies_by_threads") else "address,undefined"
    if not has_sanitizer(folder, needed):
        pytest.skip(f"needs a C compiler that has -fsanitize={needed}")
    if shutil.which("cmake") is None:
        pytest.skip("needs cmake, there is none")
    command = [str(SCRIPT), str(folder / "build"), what, str(seconds)]
    return subprocess.run(command, env=os.environ | environment, capture_output=True, text=True, check=False)


def sanitize(folder: Path, what: str, seconds: int = SECONDS) -> str:
    done = run_script(folder, what, seconds)
    said = done.stdout + done.stderr
    assert done.returncode == 0, said[-6000:]
    print(said)
    return said


def counts(said: str, pattern: str) -> list[int]:
    found = re.search(pattern, said)
    assert found, said[-2000:]
    return [int(number) for number in found.groups()]


def each_addressing(said: str) -> list[int]:
    return counts(said, r"(\d+) last page, (\d+) ragged, (\d+) positions, (\d+) slots")


def each_transform(said: str) -> list[int]:
    return counts(said, r"(\d+) copies, (\d+) fp8, (\d+) per token and head, (\d+) fp8_ds_mla, (\d+) nvfp4")


def test_random_problems(folder: Path) -> None:
    appends, transformed = counts(
        sanitize(folder, "problems"),
        r"random_problems: (\d+) appends as the model says, (\d+) of them transformed",
    )
    assert appends > 10
    assert transformed > appends // 5


def test_fuzzed_appends(folder: Path) -> None:
    """Of what is tried, much is appended and much is refused: neither alone would prove much."""
    said = sanitize(folder, "append", 2 * SECONDS)
    inputs, appended, refused, _, strided = counts(
        said,
        r"(\d+) inputs: (\d+) appended, (\d+) refused, (\d+) with operands beyond the arena; "
        r"of those appended (\d+) had strides",
    )
    assert inputs > 1000
    assert min(appended, refused) > inputs // 100
    assert strided > appended // 10
    assert min(each_addressing(said)) > appended // 50
    assert min(each_transform(said)) > appended // 200


def test_fuzzed_binds(folder: Path) -> None:
    said = sanitize(folder, "bind")
    inputs, bound, refused, strided = counts(
        said,
        r"(\d+) inputs: (\d+) bound, (\d+) refused; of those bound (\d+) had strides",
    )
    assert inputs > 1000
    assert min(bound, refused) > inputs // 1000
    assert strided > bound // 10
    assert min(each_addressing(said)) > bound // 50
    assert min(each_transform(said)) > bound // 50


def test_overlapping_caches(folder: Path) -> None:
    """Of caches that a proof takes for disjoint, not one pair shares a byte."""
    small, drawn, taken, refused_in_doubt = counts(
        sanitize(folder, "overlap"),
        r"(\d+) small and (\d+) random caches as the model says, (\d+) taken, (\d+) refused in doubt",
    )
    assert small > 500_000
    assert drawn > 1000
    assert taken > small // 10
    assert refused_in_doubt < taken // 100


@pytest.mark.parametrize("what", ["copies", "copies_by_threads"])
def test_copies_of_pages(folder: Path, what: str) -> None:
    made, refused, corrupt, strided = counts(
        sanitize(folder, what),
        r"copies: (\d+) made, (\d+) refused, as the model says; "
        r"of those made (\d+) had corrupt pairs, (\d+) strides",
    )
    assert made > (1000 if what == "copies" else 4)
    assert what != "copies" or min(refused, corrupt, strided) > made // 10


def test_a_table_that_is_edited_meanwhile(folder: Path) -> None:
    """Each entry is read once, and as an atomic: for ThreadSanitizer there is no race to report."""
    appended, refused = counts(
        sanitize(folder, "edited_table"), r"edited_table: (\d+) appends whole, (\d+) refused"
    )
    assert appended > 0
    assert refused > 0


def test_threads_under_thread_sanitizer(folder: Path) -> None:
    said = sanitize(folder, "threads")
    assert re.search(r"threads: \d+ appends by 16 threads as the model says", said)


@pytest.mark.parametrize(
    ("what", "error"),
    [
        ("problems", "AddressSanitizer: heap-"),
        ("copies", "AddressSanitizer: heap-"),
        ("threads", "data race"),
        ("copies_by_threads", "data race"),
    ],
)
def test_a_planted_error_is_caught(folder: Path, what: str, error: str) -> None:
    """The drivers with one thing wrong: a page that is not there, and one slot for two threads.

    The seed is fixed: from one in twenty, the page that is not there lies in other memory of the process, and
    AddressSanitizer finds something else wrong, or fails itself.
    """
    done = run_script(folder, what, 5, DRIVER_FLAGS="-DPLANTED_ERROR", SEED="3")
    assert done.returncode != 0
    assert error in done.stdout + done.stderr
