"""Runs on a Ray cluster: a task each, its folder on a path that all machines share."""

from __future__ import annotations

import os
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from resunit.experiments.one_run import perform, when_free
from resunit.experiments.runs import Experiment
from resunit.names import UsageError

RETRIES = 3  # of a run whose worker dies; each goes on from the last checkpoint


class RayTasks:
    """Runs as Ray tasks of `cpus` processors, on the cluster at `address` or on a local one.

    Raises UsageError where Ray is not installed or the cluster cannot be reached.
    """

    def __init__(self, address: str | None, cpus: int):
        try:
            import ray
        except ImportError:
            raise UsageError("--on ray needs Ray: pip install 'resunit[ray]'") from None
        self.ray = ray
        path = os.pathsep.join(filter(None, [os.getcwd(), os.environ.get("PYTHONPATH")]))
        try:
            ray.init(address=address, runtime_env={"env_vars": {"PYTHONPATH": path}}, log_to_driver=False)
        except (ConnectionError, ValueError, RuntimeError) as error:
            reason = str(error).splitlines()[0]
            raise UsageError(
                f"no Ray cluster can be reached at {address or 'this machine'}: {reason}"
            ) from error
        self.task = ray.remote(num_cpus=cpus, max_retries=RETRIES)(_perform)
        self.references: list[Any] = []

    def submit(self, experiment: Experiment, folder: Path) -> Future[dict[str, Any] | None]:
        reference = self.task.options(name=f"{experiment.row} seed {experiment.seed}").remote(
            folder.resolve()
        )
        self.references.append(reference)
        return reference.future()

    def close(self) -> None:
        for reference in self.references:
            self.ray.cancel(reference, force=True)
        self.ray.shutdown()


def _perform(folder: Path) -> dict[str, Any] | None:
    when_free(folder)
    return perform(folder)
