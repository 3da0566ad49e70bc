"""A driver of CUDA 12.0: a shim that has what such a driver has and refuses what is newer, and the code that
the library holds for it, by its own headers.

The shim runs nothing: it tells what it was asked for.
"""

from __future__ import annotations

import json
import os
import re
import struct
import sys
from pathlib import Path
from typing import Any

import pytest
from proof.shims import build_shim

import baracuda_ffi as bf
from support.processes.images import images
from support.processes.python import run_python

pytestmark = [
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs Linux's dynamic linker"),
    pytest.mark.skipif(bf.build_info().cuda is None, reason="the library was built without CUDA"),
]

CALLS = ("decode", "positions", "copy", "quantise", "pages")
DRIVERS = dict(bf.build_info().drivers)
CODE, NEEDS = next(iter(DRIVERS.items()), ("sm_0", "12.0"))
ARCH = CODE.rpartition("_")[2].rstrip("af")
NEWEST = max((code.rpartition("_")[2].rstrip("af") for code in DRIVERS), key=int, default="0")
FIRST_TO_WAIT = 90

for_12_0 = pytest.mark.skipif(
    NEEDS != "12.0", reason="built with the machine's toolkit: not for drivers of CUDA 12.0"
)


class Told:
    """What the calls raised, by name, and what the driver was asked for."""

    def __init__(self, raised: dict[str, list[Any]], log: list[str]) -> None:
        self.raised = raised
        self.log = log

    def lines(self, name: str) -> list[list[str]]:
        return [line.split()[1:] for line in self.log if line.split()[0] == name]


def run(folder: Path, *arguments: str, **environment: str) -> tuple[Any, list[str]]:
    """What a child printed as JSON, and what the driver told."""
    build_shim("cuda_12_0", folder, "libcuda.so.1")
    log = folder / "log"
    log.unlink(missing_ok=True)
    path = f"{folder}:{os.environ.get('LD_LIBRARY_PATH', '')}".rstrip(":")
    settings = {"LD_LIBRARY_PATH": path, "SHIM_LOG": str(log), "SHIM_ARCH": ARCH} | environment
    done = run_python("-m", *arguments, **settings)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), log.read_text().splitlines()


def launch(folder: Path, **environment: str) -> Told:
    """With a driver that loads the library's code, on a GPU that it has code for, unless told otherwise."""
    major, minor = NEEDS.split(".")
    settings = {"SHIM_VERSION": f"{major}0{minor}0"} | environment
    raised, log = run(folder, "proof.children.cuda.launch_on_cuda", **settings)
    assert tuple(raised) == CALLS
    return Told(raised, log)


def test_every_function_is_asked_for_as_cuda_12_0_has_it(tmp_path: Path) -> None:
    asked = launch(tmp_path).lines("cuGetProcAddress")
    assert len(asked) > 15
    assert len({name for name, _, _ in asked}) == len(asked)  # once each
    assert {(version, flags) for _, version, flags in asked} == {("12000", "1")}  # of the legacy stream
    assert {"cuLibraryLoadData", "cuLaunchKernelEx", "cuStreamGetCtx"} <= {name for name, _, _ in asked}


@pytest.mark.parametrize("driver", ["the oldest", pytest.param("12.0", marks=for_12_0)])
def test_every_backend_launches(tmp_path: Path, driver: str) -> None:
    told = launch(tmp_path, **({"SHIM_VERSION": "12000"} if driver == "12.0" else {}))
    assert told.raised == {name: [None, None] for name in CALLS}
    assert len(told.lines("cuInit")) == 1
    assert len(told.lines("cuLibraryLoadData")) == 4  # a source of kernels each
    names = [name for (name,) in told.lines("cuLibraryGetKernel")]
    assert len(set(names)) == len(names) == len(CALLS)  # looked up once
    assert len(told.lines("cuLaunchKernelEx")) == 2 * len(CALLS)


def test_flashinfers_geometry(tmp_path: Path) -> None:
    """Its launchers' formulas: three requests and 700 rows of two heads of 128 f16, eight to a vector, on 132
    multiprocessors that hold three blocks each."""
    launches = launch(tmp_path).lines("cuLaunchKernelEx")
    decode = [line[1:] for line in launches if "AppendPagedKVCacheDecodeKernel" in line[0]]
    positions = [line[1:] for line in launches if "AppendPagedKVCacheKernel" in line[0]]
    threads = [str(128 // 8), "2"]
    assert decode == 2 * [["3", "1", *threads]]
    assert positions == 2 * [[str(132 * min(3, -(-700 // 132))), "1", *threads]]


@pytest.mark.parametrize("code", DRIVERS)
def test_what_may_begin_before_its_stream_is_done(tmp_path: Path, code: str) -> None:
    """Our kernels, by code that waits by itself, which that of sm_90 and later does; FlashInfer's never."""
    arch = int(code.rpartition("_")[2].rstrip("af"))
    told = launch(tmp_path, SHIM_ARCH=str(arch), SHIM_VERSION="13000")
    waits = str(int(arch >= FIRST_TO_WAIT))
    early = told.lines("early")
    assert len(early) == 2 * len(CALLS)
    for name, is_early in early:
        assert is_early == ("0" if "flashinfer" in name else waits), name
    asked = told.lines("cuKernelGetAttribute")
    assert len(asked) == len({name for name, _ in asked}) == 3  # of one kernel of each image


@pytest.mark.parametrize(
    "settings",
    [{"SHIM_CAPTURES": "1"}, {"SHIM_CAPTURES": "2"}, {"SHIM_FAILS": "cuStreamIsCapturing"}],
    ids=["captured", "a capture that was invalidated", "not known"],
)
def test_what_is_captured_is_kept_in_order_by_the_stream(tmp_path: Path, settings: dict[str, str]) -> None:
    told = launch(tmp_path, SHIM_ARCH=NEWEST, SHIM_VERSION="13000", **settings)
    assert told.raised == {name: [None, None] for name in CALLS}
    ours = [is_early for name, is_early in told.lines("early") if "flashinfer" not in name]
    assert ours[0] == "0"
    if "SHIM_CAPTURES" in settings:
        assert set(ours) == {"0"}


def test_code_of_which_nothing_is_known_is_kept_in_order_by_the_stream(tmp_path: Path) -> None:
    told = launch(tmp_path, SHIM_ARCH=NEWEST, SHIM_VERSION="13000", SHIM_FAILS="cuKernelGetAttribute")
    assert told.raised == {name: [None, None] for name in CALLS}
    ours = [is_early for name, is_early in told.lines("early") if "flashinfer" not in name]
    assert ours[:2] == ["0", str(int(int(NEWEST) >= FIRST_TO_WAIT))]  # and asked for again


@pytest.mark.parametrize("function", ["cuInit", "cuLibraryLoadData", "cuLaunchKernelEx"])
def test_what_failed_once_is_tried_again(tmp_path: Path, function: str) -> None:
    told = launch(tmp_path, SHIM_FAILS=function)
    first, second = told.raised["decode"]
    assert first[:2] == ["CudaError", "CUDA_ERROR_OUT_OF_MEMORY"]
    assert "out of memory" in first[2]
    assert second is None
    assert all(told.raised[name] == [None, None] for name in CALLS[1:])


def test_a_gpu_that_is_too_old(tmp_path: Path) -> None:
    """It is named, with what there is code for."""
    told = launch(tmp_path, SHIM_ARCH="50")
    for name in CALLS:
        for kind, cuda_name, text in told.raised[name]:
            assert (kind, cuda_name) == ("CudaError", "CUDA_ERROR_NO_BINARY_FOR_GPU")
            for part in ("Shim 0", "sm_50", f"supports CUDA {NEEDS}", *DRIVERS):
                assert part in text
    assert told.lines("cuLaunchKernelEx") == []


@pytest.mark.skipif(NEEDS == "12.0", reason="the library's code is for older drivers too")
def test_code_that_is_too_new(tmp_path: Path) -> None:
    """Of a build with the machine's own toolkit: the error says which driver it needs."""
    told = launch(tmp_path, SHIM_VERSION="12000")
    for name in CALLS:
        for kind, _, text in told.raised[name]:
            assert kind == "CudaError"
            for part in ("supports CUDA 12.0", f"{CODE}:{NEEDS}"):
                assert part in text


def test_every_image_has_what_the_library_says() -> None:
    info = bf.build_info()
    found = images(bf.library_path())
    assert len(found) == 4
    for image in found:
        assert sorted(str(code.arch) for code in image if code.kind == "elf") == sorted(info.archs)
        assert sorted(str(code.arch) for code in image if code.kind == "ptx") == sorted(info.ptx)
        for code in image:
            driver = DRIVERS[f"{'sm' if code.kind == 'elf' else 'compute'}_{code.arch}"]
            # zstd is read from 12.4 on.
            assert not code.is_zstd or tuple(map(int, driver.split("."))) >= (12, 4)


def test_machine_code_is_of_the_format_that_its_driver_knows() -> None:
    """An ELF file of a GPU: its format and version were 0x33 and 7 up to CUDA 12.7."""
    checked = 0
    for image in images(bf.library_path()):
        for code in image:
            if code.kind != "elf":
                continue
            driver = tuple(map(int, DRIVERS[f"sm_{code.arch}"].split(".")))
            content = code.content
            identification, machine = content[:16], struct.unpack_from("<H", content, 18)[0]
            (flags,) = struct.unpack_from("<I", content, 48)
            assert identification[:4] == b"\x7fELF"
            assert machine == 190  # EM_CUDA
            if driver < (12, 8):
                assert identification[7:9] == bytes([0x33, 7])
                assert flags & 0xFF == code.arch
            else:
                assert flags >> 8 & 0xFF == code.arch
            checked += 1
    assert checked == 4 * len(bf.build_info().archs)


def test_ptx_is_of_the_version_that_its_driver_knows() -> None:
    """PTX 8.N came with CUDA 12.N, up to 8.5; then 8.7 with 12.8, and 9.N with 13.N."""
    versions = {"12.8": "8.7", "12.9": "8.8"}
    for image in images(bf.library_path()):
        for code in image:
            if code.kind != "ptx":
                continue
            text = code.content.decode()
            driver = DRIVERS[f"compute_{code.arch}"]
            major, minor = driver.split(".")
            version = re.search(r"^\.version (\S+)$", text, re.MULTILINE)
            assert version
            newest = versions.get(driver, f"{int(major) - 4}.{minor}")
            assert [*map(int, version[1].split("."))] <= [*map(int, newest.split("."))]
            assert re.search(rf"^\.target sm_{code.arch}\b", text, re.MULTILINE)


def memory(device: int, *, of_a_pool: bool = False) -> int:
    return (device + 1 << 40) + (1 << 39 if of_a_pool else 0)


def primary(device: int) -> int:
    return 0x100 + device


LEGACY, PER_THREAD = 1, 2
REFUSED = 2

#: The devices whose primary contexts are alive, the current context, the stream, the memory; and the context
#: to make current, 0 where it is, and the device that was retained.
CONTEXTS = {
    "a stream's own": ("yy", primary(0), 0x2000, memory(0), (primary(1), -1)),
    "a stream's own, current": ("yy", primary(1), 0x2000, memory(0), (0, -1)),
    "a stream's own, none current": ("yy", 0, 0x1000, 0, (primary(0), -1)),
    "one device": ("y", primary(0), 0, memory(0), (0, -1)),
    "one device, none current": ("y", 0, 0, memory(0), (primary(0), -1)),
    "the memory's": ("yy", primary(0), 0, memory(1), (primary(1), -1)),
    "the memory's, current": ("yy", primary(1), LEGACY, memory(1), (0, -1)),
    "the memory's, none current": ("yy", 0, PER_THREAD, memory(1), (primary(1), -1)),
    "a pool's": ("yy", primary(0), 0, memory(1, of_a_pool=True), (primary(1), 1)),
    "no memory": ("yy", primary(1), 0, 0, (0, -1)),
    "no memory, none current, one alive": ("ny", 0, 0, 0, (primary(1), 1)),
}


@pytest.mark.parametrize("case", CONTEXTS)
def test_the_context_of_a_stream(tmp_path: Path, case: str) -> None:
    alive, current, stream, address, expected = CONTEXTS[case]
    found, _ = run(
        tmp_path,
        "proof.children.cuda.find_context",
        str(stream),
        str(address),
        SHIM_ALIVE=alive,
        SHIM_CURRENT=str(current),
    )
    assert found[0] == 0, found[3]
    assert tuple(found[1:3]) == expected


@pytest.mark.parametrize(
    ("alive", "stream", "address", "says"),
    [
        ("yy", 0, 0, "no CUDA context is current"),
        ("nn", 0, 0, "no CUDA context is current"),
        ("yn", 0, memory(1, of_a_pool=True), "on CUDA device 1, where no context is alive"),
        ("yy", 0, 0x1000, "which CUDA does not know"),
    ],
)
def test_a_stream_without_a_context(tmp_path: Path, alive: str, stream: int, address: int, says: str) -> None:
    arguments = ("proof.children.cuda.find_context", str(stream), str(address))
    found, log = run(tmp_path, *arguments, SHIM_ALIVE=alive, SHIM_CURRENT="0")
    assert found[0] == REFUSED
    assert says in found[3]
    assert not any(line.startswith("cuDevicePrimaryCtxRetain") for line in log)


def test_a_launch_leaves_no_context_retained(tmp_path: Path) -> None:
    """Of a thread that has none current, each launch goes to its stream's, or its memory's."""
    told = launch(tmp_path, SHIM_CURRENT="0")
    assert told.raised == {name: [None, None] for name in CALLS}
    assert {tuple(line) for line in told.lines("launched")} == {("in", str(primary(0)))}
    assert len(told.lines("cuDevicePrimaryCtxRetain")) == len(told.lines("cuDevicePrimaryCtxRelease"))
