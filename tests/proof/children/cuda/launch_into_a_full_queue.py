"""Launches on a blocked stream until a launch blocks; only another Python thread opens the stream: MODE.

CUDA queues about a thousand launches and then makes the caller wait. Were the GIL held meanwhile, nobody
could open the stream, and this program would never end.
"""

from __future__ import annotations

import sys
import threading
import time

from proof.modes import preference

import baracuda_ffi as bf
from support.devices import cuda
from support.devices.cuda_backend import CudaBackend
from support.devices.gpu_problem import GpuProblem

# More launches than any queue holds.
MOST_LAUNCHES = 100_000

# A launch takes microseconds: a thread that has made none for so long is inside one.
STALLED_SECONDS = 0.5


def main(mode: str) -> None:
    device = cuda.Device(0)
    backend = CudaBackend(device, cuda.create_stream())
    problem = GpuProblem(backend)
    plan = bf.PagedKvAppendPlan.select(backend.stream, problem.descriptor, preference(mode))
    launch = plan.bind(backend.stream, problem.args)
    gate = cuda.Gate(backend.stream)
    launched = 0
    stalled_at: list[int] = []

    def open_once_it_stalls() -> None:
        seen = -1
        while launched != seen or launched == 0:
            seen = launched
            time.sleep(STALLED_SECONDS)
        stalled_at.append(launched)
        gate.open()

    opener = threading.Thread(target=open_once_it_stalls)
    opener.start()
    while launched < MOST_LAUNCHES and not stalled_at:
        launch()
        launched += 1
    opener.join()
    cuda.check(cuda.driver.cuStreamSynchronize(backend.stream))
    assert stalled_at[0] < MOST_LAUNCHES, "no launch blocked"
    problem.check_appended()
    print("done")


if __name__ == "__main__":
    main(sys.argv[1])
