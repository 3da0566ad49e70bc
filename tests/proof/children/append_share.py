"""One user of a cache that several processes map: FOLDER NUMBER MODE."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from proof.modes import preference
from proof.processes.shares import CASE, NUM_PAGES, Share

import baracuda_ffi as bf
from support.calls.operands import CACHES, INPUTS, make_args


def main(folder: str, number: str, mode: str) -> None:
    shape = CASE.cache_shape(NUM_PAGES)
    caches = {name: np.memmap(Path(folder) / name, CASE.element.dtype, "r+", shape=shape) for name in CACHES}
    plan = bf.PagedKvAppendPlan.select(None, CASE.descriptor(NUM_PAGES), preference(mode))
    print("ready", flush=True)
    sys.stdin.readline()  # all start together
    for step in Share(int(number)).steps:
        plan.run(None, bf.Workspace.NONE, make_args({name: getattr(step, name) for name in INPUTS} | caches))
    print("done")


if __name__ == "__main__":
    main(*sys.argv[1:])
