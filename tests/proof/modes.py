"""Whether appends are guarded: most of what is proved holds for both."""

from __future__ import annotations

import baracuda_ffi as bf

MODES = ("unguarded", "guarded")


def preference(mode: str) -> bf.PlanPreference:
    return bf.PlanPreference(guarded=mode == "guarded")
