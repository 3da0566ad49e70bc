"""Where the operands of a test are, and who appends them."""

from __future__ import annotations

import pytest

from support.c_abi import abi
from support.c_abi.real_tensors import OnDevice, OnHost, Place


@pytest.fixture(params=["host", "host-guarded", pytest.param("bespoke", marks=pytest.mark.gpu)])
def place(request: pytest.FixtureRequest) -> Place:
    """Every backend that takes real tensors."""
    if request.param == "bespoke":
        return OnDevice(request.getfixturevalue("cuda_backend"), abi.BESPOKE, abi.GUARDED)
    return OnHost(abi.GUARDED if request.param == "host-guarded" else 0)
