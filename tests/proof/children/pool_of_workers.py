"""A pool, forked after the parent has used its plan, whose workers append into shared memory: MODE."""

from __future__ import annotations

import mmap
import multiprocessing
import sys
import warnings

import numpy as np
from proof.modes import preference
from proof.processes.shares import CASE, NUM_PAGES, Share, first_caches, last_caches

import baracuda_ffi as bf
from support.calls.operands import INPUTS, make_args
from support.devices.bits import Array, assert_same_bits

WORKERS = 4
SHARES = 8

plan: bf.PagedKvAppendPlan
caches: dict[str, Array]


def shared_copy(array: Array) -> Array:
    """In memory that a fork shares."""
    copy = np.frombuffer(mmap.mmap(-1, array.nbytes), array.dtype).reshape(array.shape)
    copy[...] = array
    return copy


def append(number: int) -> None:
    for step in Share(number).steps:
        plan.run(None, bf.Workspace.NONE, make_args({name: getattr(step, name) for name in INPUTS} | caches))


def main(mode: str) -> None:
    global plan, caches
    warnings.simplefilter("ignore", DeprecationWarning)
    plan = bf.PagedKvAppendPlan.select(None, CASE.descriptor(NUM_PAGES), preference(mode))
    caches = {name: shared_copy(array) for name, array in first_caches().items()}
    append(0)
    with multiprocessing.get_context("fork").Pool(WORKERS) as pool:
        pool.map(append, range(1, SHARES))
    for name, array in last_caches([Share(number) for number in range(SHARES)]).items():
        assert_same_bits(caches[name], array, name)
    print("done")


if __name__ == "__main__":
    main(sys.argv[1])
