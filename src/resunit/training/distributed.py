"""One process or several: the rank of this process, and what the ranks exchange; torchrun starts several."""

import itertools
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor, distributed, nn
from torch.distributed import DistError
from torch.distributed.rendezvous import rendezvous
from torch.nn.parallel import DistributedDataParallel

from resunit.errors import RunError, reason_of
from resunit.ops.synchronised_batch_norm import synchronised_batch_norms
from resunit.training.devices import resolve_device
from resunit.training.launch import MEETING_POINT, count_restarts, read_launch, read_local_rank

GROUPS = itertools.count()  # The ranks open their groups together, so they count alike.


@dataclass(frozen=True)
class Distributed:
    """The process of one rank among `world_size` processes, which computes on `device`."""

    rank: int
    world_size: int
    device: torch.device

    @property
    def is_main(self) -> bool:
        """Whether this is the process that writes files and shows progress: rank 0."""
        return self.rank == 0

    def part(self, batch: Tensor) -> Tensor:
        """Return this rank's equal part of `batch`, along the first dimension."""
        return batch.chunk(self.world_size)[self.rank]

    def wrap(self, model: nn.Module) -> nn.Module:
        """Return `model` with its gradients averaged over all ranks.

        The running statistics of batch norm stay those of each rank.
        """
        if self.world_size == 1:
            return model
        wrapped = DistributedDataParallel(model)
        wrapped.broadcast_buffers = False  # The argument of the constructor is deprecated.
        return wrapped

    def gradient_sync(self, model: nn.Module, is_last: bool) -> AbstractContextManager[None]:
        """Return the context of one micro-batch's backward pass.

        Gradients add up on each rank, and only the last micro-batch of a step averages them over the ranks.
        """
        if isinstance(model, DistributedDataParallel) and not is_last:
            return model.no_sync()
        return nullcontext()

    def shared_statistics(
        self, model: nn.Module, ghost_batch_size: int | None
    ) -> AbstractContextManager[None]:
        """Return the context of a step: without a ghost batch size the ranks normalise their batch together."""
        if self.world_size > 1 and ghost_batch_size is None:
            return synchronised_batch_norms(model)
        return nullcontext()

    def all_reduce(self, tensor: Tensor) -> None:
        """Add up `tensor` over all ranks, in place."""
        if self.world_size > 1:
            distributed.all_reduce(tensor)

    def average_running_statistics(self, model: nn.Module) -> None:
        """Set the batch-norm statistics of every rank to the mean over all ranks, as ghost batches are averaged."""
        if self.world_size == 1:
            return
        training = (module for module in model.modules() if module.training)  # Frozen parts have no new ones.
        buffers = [
            buffer
            for module in training
            for buffer in module.buffers(recurse=False)
            if buffer.is_floating_point()
        ]
        if not buffers:  # Some designs have no batch norm.
            return
        flat = torch.cat([buffer.flatten() for buffer in buffers])
        distributed.all_reduce(flat)
        flat /= self.world_size
        for buffer, mean in zip(buffers, flat.split([b.numel() for b in buffers]), strict=True):
            buffer.copy_(mean.view_as(buffer))

    @contextmanager
    def explained_loss(self) -> Iterator[None]:
        """Raise RunError where another rank has ended in the middle of an exchange."""
        try:
            yield
        except RuntimeError as error:
            # torch has a class of errors for NCCL, and a word in the message for gloo.
            if self.world_size == 1 or not (isinstance(error, DistError) or "gloo" in str(error)):
                raise
            raise RunError(
                f"rank {self.rank} has lost the connection to another process, whose own message says why; the "
                "run goes on from its last checkpoint when it is resumed"
            ) from error

    def raise_together(self, error: Exception | None) -> None:
        """Raise `error` on rank 0, if there is one, and end the other ranks without a message.

        Raises:
            Exception: `error`, on rank 0.
            SystemExit: rank 0 has an error, on all other ranks.
        """
        if self.any_rank(error is not None):
            raise error or SystemExit(1)

    def wait_for_all(self) -> None:
        """Return when all ranks have come here: torchrun ends the others as soon as one returns an exit code."""
        self.any_rank(False)

    def any_rank(self, flag: bool) -> bool:
        """Return whether `flag` is set on at least one rank."""
        if self.world_size == 1:
            return flag
        total = torch.tensor(int(flag), device=self.device)
        self.all_reduce(total)
        return bool(total)


def start_distributed(device: str) -> Distributed:
    """Return the place of this process among the ranks, and connect it to the others if torchrun started several.

    Args:
        device: a name as `resolve_device` takes it; one GPU is chosen for each process of a machine.

    Raises:
        UsageError: the device is not available, or the environment names only some of what ranks have to know.
        RunError: the other ranks cannot be reached.
    """
    launch = read_launch()
    chosen = resolve_device(device)
    if chosen.type == "cuda" and launch.world_size > 1:
        chosen = torch.device("cuda", read_local_rank(torch.cuda.device_count()))
        torch.cuda.set_device(chosen)
    if launch.world_size > 1 and not distributed.is_initialized():
        try:
            _open_process_group("nccl" if chosen.type == "cuda" else "gloo")
        except (RuntimeError, ValueError, OSError) as error:
            place = ":".join(os.environ[name] for name in MEETING_POINT)
            reason = reason_of(error)
            raise RunError(
                f"rank {launch.rank} does not reach the other processes at {place} ({reason}); check that all "
                "are started, and with the same MASTER_ADDR and MASTER_PORT"
            ) from error
    return Distributed(launch.rank, launch.world_size, chosen)


def _open_process_group(backend: str) -> None:
    """Connect the ranks; `isolated_process_state` closes the group again.

    Torchrun keeps the addresses of the ranks for as long as it lives. A second group that finds the addresses of
    the first would wait for ever or fail, so each group has a name of its own, also after a restart.
    """
    store, rank, world_size = next(rendezvous("env://"))
    name = f"resunit {count_restarts()} {world_size} {next(GROUPS)}"
    named = distributed.PrefixStore(name, store)  # pyright: ignore[reportPrivateImportUsage] - documented as public
    distributed.init_process_group(backend, store=named, rank=rank, world_size=world_size)
