"""The two backends, and what a test marked `gpu` or `multigpu` needs: a device, and nothing else makes it
skip.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from support.calls import sentences
from support.devices.backends import Backend, HostBackend
from support.devices.device import device_count

if TYPE_CHECKING:
    from support.devices.cuda import Device

# Else JAX takes three quarters of a GPU's memory for itself, in every process that a test makes.
os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--all-real-tensors",
        action="store_true",
        help="tests/append/test_real_tensors.py: also every page size, number of heads, layout and way to "
        "hold fp8 of every form (many minutes)",
    )
    parser.addoption(
        "--damaged-tables",
        type=int,
        default=100_000,
        help="tests/append/test_damaged_places.py: how many page tables it damages in all, on each backend",
    )


@pytest.hookimpl(tryfirst=True)  # before -m looks at the markers
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    count = device_count()
    for item in items:
        if item.get_closest_marker("multigpu"):
            item.add_marker(pytest.mark.gpu)
            if count < 2:
                item.add_marker(pytest.mark.skip(reason=f"needs two CUDA devices, there are {count}"))
        elif item.get_closest_marker("gpu") and count < 1:
            item.add_marker(pytest.mark.skip(reason="needs a CUDA device, there is none"))


def pytest_collection_finish() -> None:
    """Some tests collect garbage, each time over all that is there: what was imported and collected stays."""
    gc.collect()
    gc.freeze()


sentences.watch()


@pytest.fixture(autouse=True)
def no_sentence_names_what_is_of_c() -> Iterator[None]:
    yield
    found, sentences.offending[:] = sentences.offending[:], []
    assert not found, "a Python user reads a name of C's"


@pytest.fixture(scope="session")
def device() -> Device:
    """Device 0, its primary context current."""
    from support.devices.cuda import Device

    return Device(0)


@pytest.fixture
def cuda_backend(device: Device) -> Iterator[Backend]:
    """Device memory and a stream of its own."""
    from support.devices import cuda
    from support.devices.cuda_backend import CudaBackend

    device.make_current()
    stream = cuda.create_stream()
    backend = CudaBackend(device, stream)
    yield backend
    backend.close()
    cuda.check(cuda.driver.cuStreamDestroy(stream))


@pytest.fixture
def host_backend() -> HostBackend:
    return HostBackend()


@pytest.fixture(params=["host", pytest.param("cuda", marks=pytest.mark.gpu)])
def backend(request: pytest.FixtureRequest) -> Backend:
    """A test with this runs over host memory, and again on a GPU where there is one."""
    found: Backend = request.getfixturevalue(f"{request.param}_backend")
    return found
