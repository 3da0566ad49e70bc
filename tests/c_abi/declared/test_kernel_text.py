"""FlashInfer's text is held against hashes: the build refuses any kernel but the one that was tested."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from c_abi.declared.kernel_text import CHECK, PIN, Piece, expected, include_dir, pieces

import baracuda_ffi as bf

PIECES = pieces()

needs_cmake = pytest.mark.skipif(shutil.which("cmake") is None, reason="needs cmake, there is none")
needs_headers = pytest.mark.skipif(
    include_dir() is None, reason="needs FlashInfer's headers: set FLASHINFER_INCLUDE_DIR to their folder"
)


def by_name(piece: Piece) -> str:
    return piece.name


def write_headers(folder: Path, *, outside: str = "", changed: str = "", absent: str = "") -> Path:
    """Headers of the same shape as FlashInfer's with other text; one piece may be changed or left out."""
    include = folder / "flashinfer"
    include.mkdir(parents=True)
    for header in {piece.header for piece in PIECES}:
        text = f"// {outside}\n"
        for piece in PIECES:
            if piece.header == header and piece.name != absent:
                body = f"body of {piece.name}{'!' if piece.name == changed else ''}"
                text += f"{piece.first}\n{body};{piece.last}\n"
        (include / header).write_text(text)
    return folder


def check(include: Path, hashes: Path, tmp_path: Path) -> subprocess.CompletedProcess[str]:
    script = tmp_path / "check.cmake"
    script.write_text(f'include("{CHECK}")\nbaracuda_check_flashinfer_kernel("{include}" "{hashes}")\n')
    command = ["cmake", "-P", str(script)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture
def hashes(tmp_path: Path) -> Path:
    """What the check should expect of the headers that write_headers writes, hashed here and not by CMake."""
    headers = write_headers(tmp_path / "right")
    path = tmp_path / "kernel.sha256"
    path.write_text("# a comment\n" + "".join(f"{p.digest(headers)}  {p.name}\n" for p in PIECES))
    return path


def test_every_piece_has_a_hash() -> None:
    assert len(PIECES) >= 2
    assert set(expected()) == {piece.name for piece in PIECES}
    assert {"append_kernel", "append_launcher"} <= set(expected())


@needs_cmake
def test_the_right_text_passes(tmp_path: Path, hashes: Path) -> None:
    assert check(tmp_path / "right", hashes, tmp_path).returncode == 0


@needs_cmake
def test_text_beside_the_pieces_may_change(tmp_path: Path, hashes: Path) -> None:
    headers = write_headers(tmp_path / "beside", outside="another release")
    assert check(headers, hashes, tmp_path).returncode == 0


@needs_cmake
@pytest.mark.parametrize("piece", PIECES, ids=by_name)
def test_a_changed_piece_is_refused(piece: Piece, tmp_path: Path, hashes: Path) -> None:
    headers = write_headers(tmp_path / "changed", changed=piece.name)
    done = check(headers, hashes, tmp_path)
    assert done.returncode != 0
    assert piece.name in done.stderr
    assert str(headers) in done.stderr
    assert piece.digest(headers) in done.stderr  # what to write down if the change is wanted


@needs_cmake
@pytest.mark.parametrize("piece", PIECES, ids=by_name)
def test_an_absent_piece_is_refused(piece: Piece, tmp_path: Path, hashes: Path) -> None:
    done = check(write_headers(tmp_path / "absent", absent=piece.name), hashes, tmp_path)
    assert done.returncode != 0
    assert piece.name in done.stderr


@needs_headers
@pytest.mark.parametrize("piece", PIECES, ids=by_name)
def test_the_hash_is_of_the_pinned_release(piece: Piece) -> None:
    found = include_dir()
    assert found is not None
    assert piece.digest(found) == expected()[piece.name]


@needs_headers
@needs_cmake
def test_one_character_of_the_kernel(tmp_path: Path) -> None:
    """The expression that BEFORE_APPEND relies on, changed as little as can be."""
    found = include_dir()
    assert found is not None
    copy = tmp_path / "flashinfer"
    shutil.copytree(found / "flashinfer", copy, ignore=shutil.ignore_patterns("trtllm", "gemm", "attention"))
    hashes = CHECK.parent / "flashinfer-kernel.sha256"
    assert check(tmp_path, hashes, tmp_path).returncode == 0
    page = copy / "page.cuh"
    text = page.read_text()
    assert "(seq_len - 1) %" in text
    page.write_text(text.replace("(seq_len - 1) %", "(seq_len - 2) %"))
    done = check(tmp_path, hashes, tmp_path)
    assert done.returncode != 0
    assert "append_kernel" in done.stderr


def test_the_pin_is_one_release_with_a_hash() -> None:
    assert re.search(r"^flashinfer-python==\d+\.\d+\.\d+\S*", PIN.read_text(), re.MULTILINE)
    assert re.search(r"--hash=sha256:[0-9a-f]{64}", PIN.read_text())


def test_the_library_was_built_from_it() -> None:
    version = bf.build_info().flashinfer
    if version not in (None, "unknown"):  # built without CUDA, or from headers that do not say their release
        pinned = re.search(r"^flashinfer-python==([^\s\\]+)", PIN.read_text(), re.MULTILINE)
        assert pinned
        assert version == pinned[1]
