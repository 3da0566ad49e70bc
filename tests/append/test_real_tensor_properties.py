"""Appends of views at random strides, widths and alignments in one arena, over tables right and damaged,
against the oracle: every byte of the arena.
"""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings

from support.damaged.guarded import fresh
from support.devices.backends import Backend
from support.views.random_views import real_appends
from support.views.real_append import RealAppend, append_and_check


@settings(
    max_examples=600,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(real=real_appends())
def test_any_views(backend: Backend, real: RealAppend) -> None:
    with fresh(backend) as inner:
        append_and_check(inner, real)
