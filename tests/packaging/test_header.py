"""The header compiles alone, without a warning, in every language standard that it promises."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from support.processes.installed import REPOSITORY

INCLUDE_DIR = REPOSITORY / "native" / "include"
WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Werror"]
STANDARDS = {"c": ["c99", "c11", "c17"], "c++": ["c++11", "c++14", "c++17", "c++20"]}
COMPILERS = {"c": [["cc", "gcc"], ["clang", "clang-14"]], "c++": [["c++", "g++"], ["clang++", "clang++-14"]]}

# Uses a bit of each kind of declaration, so that a macro that expands to nothing does not pass.
PROGRAM = """
#include "baracuda_ffi.h"
#include "baracuda_ffi.h"
int main(void) {
  baracuda_paged_kv_append op;
  int32_t (*run)(const baracuda_paged_kv_append *) = baracuda_paged_kv_append_run;
  op.struct_size = (uint32_t)sizeof(op);
  op.element = BARACUDA_ELEMENT_FP8_E5M2;
  return baracuda_kernels_host_paged_kv_append_decode_bf16_can_implement(1, 1, 1, 64) == BARACUDA_OK &&
                 run(&op) == BARACUDA_UNSUPPORTED ? 0 : 1;
}
"""


@pytest.mark.parametrize(
    ("language", "names", "standard"),
    [
        pytest.param(language, names, standard, id=f"{names[0]}-{standard}")
        for language, compilers in COMPILERS.items()
        for names in compilers
        for standard in STANDARDS[language]
    ],
)
def test_the_header_compiles(language: str, names: list[str], standard: str, tmp_path: Path) -> None:
    compiler = next((found for name in names if (found := shutil.which(name))), None)
    if compiler is None:
        pytest.skip(f"no {names[0]} on this machine")
    source = tmp_path / "program"
    source.write_text(PROGRAM)
    flags = [f"-x{language}", f"-std={standard}", *WARNINGS, f"-I{INCLUDE_DIR}", "-fsyntax-only"]
    done = subprocess.run([compiler, *flags, source], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
