"""One device or many: this process's share of the work, started alone or by torchrun."""

import os
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import psutil
import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from resunit.models import NetworkSpec
from resunit.names import UsageError
from resunit.training.recipe import Recipe

MAX_LOW_PRECISION_UNITS = 250  # ReLU after each of 333 additions (ResNet-1001) did not train stably
PRECISIONS = {"bf16": torch.bfloat16, "fp32": torch.float32}
MEMORY = "RESUNIT_MEMORY"  # the variable that tells a run among several how many bytes are its share


@dataclass(frozen=True)
class Worker:
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


def start_worker(device: str) -> Worker:
    """This process as a worker on `device` ("auto": a GPU if there is one), joined to others by torchrun."""
    rank, count = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "mps" if torch.mps.is_available() else "cpu"
    try:
        chosen = torch.device(device)
        if chosen.type == "cuda" and count > 1:
            chosen = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
            torch.cuda.set_device(chosen)
        torch.empty(1, device=chosen)
    except (RuntimeError, AssertionError) as error:
        raise UsageError(f"device {device!r} is not available here: {str(error).splitlines()[0]}") from error
    if count > 1 and not distributed.is_initialized():
        distributed.init_process_group("nccl" if chosen.type == "cuda" else "gloo")
    return Worker(rank, count, chosen)


def free_memory(device: torch.device) -> int | None:
    """Bytes that this process may still take on `device`; None where nobody can tell.

    Processes of one machine that torchrun started share its memory equally.
    """
    free = _free_memory(device)
    return free if free is None else min(free, int(os.environ.get(MEMORY, free)))


def _free_memory(device: torch.device) -> int | None:
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    if device.type != "cpu":
        return None
    free = psutil.virtual_memory().available
    group = Path("/sys/fs/cgroup")  # a container's own limit
    limit, used = group / "memory.max", group / "memory.current"
    if limit.exists() and used.exists() and (most := limit.read_text().strip()) != "max":
        free = min(free, int(most) - int(used.read_text()))
    return free // int(os.environ.get("LOCAL_WORLD_SIZE", 1))


def runs_bf16_fast(device: torch.device) -> bool:
    """Has the device bf16 arithmetic, rather than emulating it?"""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type == "cpu":
        return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return False


def resolve_precision(recipe: Recipe, spec: NetworkSpec, device: torch.device) -> str:
    """ "bf16" or "fp32": what `recipe.precision` means for this network on this device."""
    if recipe.precision != "auto":
        return recipe.precision
    tolerant = not spec.placement.after or sum(spec.depths) <= MAX_LOW_PRECISION_UNITS
    return "bf16" if tolerant and runs_bf16_fast(device) else "fp32"
