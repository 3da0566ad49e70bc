"""The package is a ctypes package: without the built-in functions of the library it works all the same."""

from __future__ import annotations

import pytest

from support.processes.python import run_pytest, run_python

CALLS = [
    "append/test_bit_patterns.py",
    "append/test_entrances.py",
    "guarded/test_guarded_padding.py",
    "guarded/test_guarded_record.py",
    "memory/test_copies.py",
    "operands/test_operand_checks.py",
    "page_table/test_validate_page_table.py::test_what_is_no_page_table",
    "python/test_one_liner.py",
    "python/test_plan.py",
]
CAPSULES = ["memory/test_exporters.py", "operands/test_dlpack.py", "operands/test_operand_kinds.py"]


def test_a_process_without_pythonapi() -> None:
    done = run_python("-m", "library.ctypes_alone")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "NumPy",
        "a subclass of NumPy's",
        "TensorView",
        "read-only inputs",
        "damaged tables",
        "exporters",
    ]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("absent", "tests"), [("pythonapi", CALLS), ("symbol", CALLS + CAPSULES)], ids=["pythonapi", "symbol"]
)
def test_the_tests_of_the_package(absent: str, tests: list[str]) -> None:
    """All of them hold. The plug-in says what there is none of."""
    options = ("-p", "support.processes.ctypes_only", "-m", "not gpu")
    done = run_pytest(*options, *tests, BARACUDA_TESTS_WITHOUT=absent)
    assert done.returncode == 0, done.stdout
    assert " passed" in done.stdout
