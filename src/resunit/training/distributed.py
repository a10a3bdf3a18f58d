"""One process or many: this process's share of the work, started alone or by torchrun."""

import os
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from resunit.training.devices import resolve_device


@dataclass(frozen=True)
class Distributed:
    """Process `rank` of `count`, computing on `device`."""

    rank: int
    count: int
    device: torch.device

    @property
    def is_main(self) -> bool:
        return self.rank == 0

    def share(self, batch: Tensor) -> Tensor:
        """This worker's equal part of `batch`, along the first dimension."""
        return batch.chunk(self.count)[self.rank]

    def distribute(self, model: nn.Module) -> nn.Module:
        """`model` with gradients averaged over the workers; batch-norm statistics stay each worker's own."""
        if self.count == 1:
            return model
        distributed_model = DistributedDataParallel(model)
        distributed_model.broadcast_buffers = False  # the constructor's argument is deprecated
        return distributed_model

    def collecting(self, model: nn.Module, last: bool) -> AbstractContextManager[None]:
        """The context of a backward pass whose gradients stay here, unless it is the `last` of a step."""
        if isinstance(model, DistributedDataParallel) and not last:
            return model.no_sync()
        return nullcontext()

    def sum(self, tensor: Tensor) -> None:
        """Add up `tensor` over the workers, in place."""
        if self.count > 1:
            distributed.all_reduce(tensor)

    def average_running_statistics(self, model: nn.Module) -> None:
        """Give all workers the mean of their batch-norm statistics, as groups are averaged."""
        if self.count > 1:
            buffers = [buffer for buffer in model.buffers() if buffer.is_floating_point()]
            flat = torch.cat([buffer.flatten() for buffer in buffers])
            distributed.all_reduce(flat)
            flat /= self.count
            for buffer, mean in zip(buffers, flat.split([b.numel() for b in buffers]), strict=True):
                buffer.copy_(mean.view_as(buffer))

    def stop_together(self, error: Exception | None) -> None:
        """Raise the main worker's `error`, if it has one, and end the others without another message."""
        if self.any(error is not None):
            raise error or SystemExit(1)

    def any(self, flag: bool) -> bool:
        """Is `flag` set on some worker?"""
        total = torch.tensor(int(flag), device=self.device)
        self.sum(total)
        return bool(total)


def start_distributed(device: str) -> Distributed:
    """This process as a worker on `device`, as `resolve_device` has it, joined to others by torchrun."""
    rank, count = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
    chosen = resolve_device(device)
    if chosen.type == "cuda" and count > 1:
        chosen = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
        torch.cuda.set_device(chosen)
    if count > 1 and not distributed.is_initialized():
        distributed.init_process_group("nccl" if chosen.type == "cuda" else "gloo")
    return Distributed(rank, count, chosen)
