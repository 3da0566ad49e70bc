"""CPU tensors, and CUDA tensors where there is a GPU."""

from __future__ import annotations

import pytest


@pytest.fixture(params=["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
def where(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found
