"""Runs on a Ray cluster: each is a task, and its folder is on a path that all machines share."""

from __future__ import annotations

import os
import socket
from concurrent.futures import Future
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import torch

from resunit.errors import UsageError, reason_of
from resunit.io.memory import MEMORY
from resunit.ops.cpu.allocator import keep_freed_memory
from resunit.reproduction.experiments.experiment import Experiment
from resunit.reproduction.running.one_run import perform, wait_until_free
from resunit.runs.schema import ExperimentRecord

SECONDS_TO_CONNECT = 15
# A run whose Ray worker dies is tried again this often, each time from its last checkpoint.
RETRIES = 3


class RayTasks:
    """Performs runs as Ray tasks, `jobs` at a time on each machine.

    A task asks for its share of the processors and the memory of the smallest machine. If the runs train on GPUs, it
    asks for one, or for a part of one where a machine has fewer GPUs than runs at a time.

    Args:
        address: the address of the cluster; None starts one on this machine.
        jobs: the runs at a time on each machine.
        device: the device that the runs train on.

    Raises:
        UsageError: Ray is not installed, or the cluster cannot be reached or has no machine.
    """

    def __init__(self, address: str | None, jobs: int, device: torch.device):
        try:
            import ray
        except ImportError:
            raise UsageError("--on ray needs Ray: pip install 'resunit[ray]'") from None
        self.ray = ray
        if address is not None:
            _check_that_somebody_listens(address)
        path = os.pathsep.join(filter(None, [os.getcwd(), os.environ.get("PYTHONPATH")]))
        try:
            ray.init(address=address, runtime_env={"env_vars": {"PYTHONPATH": path}}, log_to_driver=False)
        except (ConnectionError, ValueError, RuntimeError) as error:
            reason = reason_of(error)
            raise UsageError(
                f"no Ray cluster can be reached at {address or 'this machine'}: {reason}"
            ) from error
        machines = [
            node["Resources"] for node in ray.nodes() if node["Alive"] and node["Resources"].get("CPU")
        ]
        if not machines:
            raise UsageError("the Ray cluster has no machine with processors yet; start one first")
        cpus, memory = (int(min(machine[name] for machine in machines)) // jobs for name in ("CPU", "memory"))
        on_gpu = device.type == "cuda"
        self.memory = None if on_gpu else memory  # A run takes the memory that is free on its GPU.
        gpus = min(machine.get("GPU", 0) for machine in machines)
        self.task = ray.remote(
            num_cpus=max(1, cpus),
            memory=memory,
            num_gpus=share_of_gpu(gpus, jobs) if on_gpu else 0,
            max_retries=RETRIES,
        )(_perform)
        self.references: list[Any] = []

    def submit(self, experiment: Experiment, folder: Path) -> Future[ExperimentRecord | None]:
        """Perform `experiment` in `folder` as soon as a machine has room for it."""
        reference = self.task.options(name=f"{experiment.row} seed {experiment.seed}").remote(
            folder.resolve(), self.memory
        )
        self.references.append(reference)
        return reference.future()

    def close(self) -> None:
        """Stop all runs, each with its last checkpoint."""
        for reference in self.references:
            self.ray.cancel(reference, force=True)
        self.ray.shutdown()


def share_of_gpu(gpus: float, jobs: int) -> float:
    """Return the GPUs for each of `jobs` runs on a machine that has `gpus`: one whole GPU at most."""
    return min(1.0, (gpus or 1) / jobs)


def _check_that_somebody_listens(address: str) -> None:
    """Raise UsageError if nothing listens at `address`; Ray itself would try for many minutes."""
    place = urlsplit(address if "://" in address else f"//{address}")
    if place.hostname is None or place.port is None:
        return  # It is "auto", or a name that Ray knows.
    try:
        socket.create_connection((place.hostname, place.port), timeout=SECONDS_TO_CONNECT).close()
    except OSError as error:
        raise UsageError(f"no Ray cluster answers at {address}: {error.strerror or error}") from error


def _perform(folder: Path, memory: int | None) -> ExperimentRecord | None:
    if memory is not None:
        os.environ[MEMORY] = str(memory)
    keep_freed_memory(torch.device("cpu"))  # Training on a CPU is faster with it.
    wait_until_free(folder)
    return perform(folder)
