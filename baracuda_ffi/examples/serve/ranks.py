"""Several processes, by ``torch.distributed``: gloo between CPUs, NCCL between GPUs."""

from __future__ import annotations

import os

import numpy as np

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Ranks:
    """This process among those that ``torchrun`` started; arrays may be NumPy's, or tensors."""

    def __init__(self, device: str) -> None:
        try:
            import torch
            import torch.distributed as distributed
        except ImportError as error:
            raise SystemExit(f"several ranks need torch ({error})") from error
        if "RANK" not in os.environ:
            raise SystemExit(
                "several ranks are started by torchrun: "
                "torchrun --nproc-per-node 2 -m baracuda_ffi.examples.serve ..."
            )
        self._torch, self._distributed = torch, distributed
        self.rank, self.count = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
        if device.startswith("cuda"):
            torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
        distributed.init_process_group("nccl" if device.startswith("cuda") else "gloo")

    def all_reduce(self, x: Any) -> Any:
        """The sum over all ranks, in place."""
        self._distributed.all_reduce(self._tensor(x))
        return x

    def send(self, x: Any, rank: int) -> None:
        self._distributed.send(self._tensor(x), rank)

    def receive(self, x: Any, rank: int) -> None:
        """Into ``x``."""
        self._distributed.recv(self._tensor(x), rank)

    def told_by_first(self, thing: Any) -> Any:
        """What rank 0 has."""
        told = [thing]
        self._distributed.broadcast_object_list(told, src=0)
        return told[0]

    def from_all(self, thing: Any) -> list[Any]:
        """What every rank has, in their order."""
        things: list[Any] = [None] * self.count
        self._distributed.all_gather_object(things, thing)
        return things

    def leave(self) -> None:
        self._distributed.destroy_process_group()

    def _tensor(self, x: Any) -> Any:
        return self._torch.from_numpy(x) if isinstance(x, np.ndarray) else x
