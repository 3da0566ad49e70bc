"""What the library says about itself, its statuses and its messages."""

from __future__ import annotations

import ctypes
import re
import threading

import pytest

from support.c_abi import abi
from support.c_abi.header import HEADER, macro
from support.devices.device import device_count
from support.problems.problem import Problem


def test_versions_are_the_headers() -> None:
    version = abi.library().baracuda_ffi_version().decode()
    assert version == macro("BARACUDA_FFI_VERSION").strip('"')
    parts = [macro(f"BARACUDA_FFI_VERSION_{part}") for part in ("MAJOR", "MINOR", "PATCH")]
    assert version == ".".join(parts)
    assert abi.library().baracuda_ffi_abi_version() == int(macro("BARACUDA_FFI_ABI_VERSION"))


def test_build_info() -> None:
    info = dict(pair.split("=", 1) for pair in abi.library().baracuda_ffi_build_info().decode().split(";"))
    assert set(info) == {"flashinfer", "cuda", "archs", "ptx", "drivers", "backends"}
    backends = info["backends"].split(",")
    assert "host" in backends
    assert ("flashinfer" in backends) == (info["cuda"] != "none") == (info["flashinfer"] != "none")
    if info["cuda"] != "none":
        assert re.fullmatch(r"\d+\.\d+(\.\d+)?", info["cuda"])
        assert re.fullmatch(r"\d+\.\d+\.\d+\w*|unknown", info["flashinfer"])
        assert all(re.fullmatch(r"\d+[a-z]?", arch) for arch in info["archs"].split(",") if arch)
        drivers = dict(pair.split(":") for pair in info["drivers"].split(","))
        codes = [f"sm_{arch}" for arch in info["archs"].split(",") if arch]
        codes += [f"compute_{arch}" for arch in info["ptx"].split(",") if arch]
        assert list(drivers) == codes
        assert all(re.fullmatch(r"1[2-9]\.\d", driver) for driver in drivers.values())


@pytest.mark.parametrize(
    ("status", "name"),
    [
        (0, "BARACUDA_OK"),
        (1, "BARACUDA_MISALIGNED_OPERAND"),
        (2, "BARACUDA_INVALID_PROBLEM"),
        (3, "BARACUDA_UNSUPPORTED"),
        (4, "BARACUDA_WORKSPACE_TOO_SMALL"),
        (5, "BARACUDA_BUFFER_TOO_SMALL"),
        (6, "unknown"),
        (-1, "unknown"),
        (999, "unknown"),
        (-(2**31), "unknown"),
    ],
)
def test_status_names(status: int, name: str) -> None:
    assert abi.library().baracuda_status_name(status).decode() == name


def test_status_names_of_cuda() -> None:
    """The driver's own names, where there is a driver; a build without CUDA has none to give."""
    name = abi.library().baracuda_status_name
    assert name(2**31 - 1) == b"unknown"
    if b"cuda=none" in abi.library().baracuda_ffi_build_info():
        assert name(1035) == b"unknown"
        return
    assert name(1035) == b"cudaErrorInsufficientDriver"
    for status, its in ((1001, b"CUDA_ERROR_INVALID_VALUE"), (1700, b"CUDA_ERROR_ILLEGAL_ADDRESS")):
        assert name(status) == its if device_count() > 0 else name(status) in (its, b"unknown")


def test_the_message_is_of_the_last_refusal_and_a_success_leaves_it() -> None:
    problem = Problem()
    op = abi.make_append(problem.case, problem.arrays)
    op.batch_size = -12
    assert abi.run(op) == abi.INVALID_PROBLEM
    assert "-12" in abi.message()
    op.batch_size = problem.case.batch_size
    assert abi.run(op) == abi.OK
    assert "-12" in abi.message()
    op.num_heads = -13
    assert abi.run(op) == abi.INVALID_PROBLEM
    assert "-13" in abi.message()
    assert "-12" not in abi.message()


def test_messages_belong_to_threads() -> None:
    problem = Problem()
    abi.library()
    meet = threading.Barrier(8)
    found: dict[int, tuple[str, str]] = {}

    def refuse(number: int) -> None:
        at_first = abi.message()
        op = abi.make_append(problem.case, problem.arrays)
        op.batch_size = -number
        meet.wait(30)
        assert abi.run(op) == abi.INVALID_PROBLEM
        meet.wait(30)
        found[number] = (at_first, abi.message())

    threads = [threading.Thread(target=refuse, args=(number,)) for number in range(101, 109)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    for number, (at_first, message) in found.items():
        assert at_first == ""
        assert f"-{number}" in message


def test_preload_of_the_host_backend() -> None:
    problem = Problem()
    op = abi.make_append(problem.case, problem.arrays)
    arch = ctypes.c_int32(-5)
    preload = abi.library().baracuda_paged_kv_append_preload
    assert preload(ctypes.addressof(op), ctypes.addressof(arch)) == abi.OK
    assert arch.value == 0
    assert preload(ctypes.addressof(op), None) == abi.OK
    assert preload(None, None) == abi.INVALID_PROBLEM
    op.head_dim = -96
    arch.value = -5
    assert preload(ctypes.addressof(op), ctypes.addressof(arch)) == abi.UNSUPPORTED
    assert "head_dim" in abi.message()
    assert arch.value == -5


def test_the_header_that_is_tested_is_there() -> None:
    assert HEADER.is_file()
