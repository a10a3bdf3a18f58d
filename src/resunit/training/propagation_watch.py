"""How the signal passes through the network while it trains: a measurement every so many steps."""

import json
import math
from typing import Any

import torch
from torch.nn import functional

from resunit.errors import PropagationError
from resunit.io.atomic import write_atomically
from resunit.propagation import Instrument, Propagation
from resunit.propagation.junction import MEASURES
from resunit.runs.folder import RunFolder
from resunit.training.batches import Group
from resunit.training.setup import TrainingSetup
from resunit.training.state import Progress

IMAGES = 64  # of the step's batch; norms and shares hardly depend on more


class PropagationWatch:
    """Writes propagation.jsonl: before every `recipe.watch_propagation`-th step, each measure by junction.

    Measuring changes nothing of the run: its weights are bitwise those of a run that is not watched.
    """

    def __init__(self, job: TrainingSetup, folder: RunFolder):
        self.job = job
        self.path = folder.path / "propagation.jsonl"
        self.instrument = Instrument(job.network)

    def is_due(self, step: int) -> bool:
        every = self.job.recipe.watch_propagation
        return every is not None and step % every == 0 and self.job.worker.is_main

    def forget_after(self, step: int) -> None:
        """Drop the lines from `step` on: a run that resumes there writes them again."""
        if self.path.exists() and self.job.worker.is_main:
            lines = self.path.read_bytes().splitlines(keepends=True)
            kept = [line for line in lines if line.endswith(b"\n") and json.loads(line)["step"] < step]
            if len(kept) < len(lines):
                write_atomically(self.path, b"".join(kept))

    def measure(self, group: Group, progress: Progress) -> None:
        """Add a line on `group`, in the precision that trains; it says why where nothing can be measured."""
        device = self.job.worker.device
        bf16 = torch.autocast(device.type, torch.bfloat16, enabled=self.job.recipe.precision == "bf16")
        line: dict[str, Any] = {"step": progress.step, "epoch": self.job.epochs(progress.step)}
        with torch.random.fork_rng([device] if device.type == "cuda" else []), bf16:
            torch.manual_seed(progress.step)  # so that a resumed run repeats the line
            try:
                line |= _record(
                    self.instrument.measure(
                        group.images[:IMAGES], group.labels[:IMAGES], loss=functional.cross_entropy
                    )
                )
            except PropagationError as error:
                line["refused"] = str(error)
        with self.path.open("a") as file:
            file.write(json.dumps(line, allow_nan=False) + "\n")


def _record(result: Propagation) -> dict[str, Any]:
    """What a line holds of a measurement: names, what could not be seen, and the measures that there are."""
    columns = {name: [_rounded(getattr(j, name)) for j in result.junctions] for name in MEASURES}
    return {
        "junctions": [junction.name for junction in result.junctions],
        "unseen": list(result.unseen),
        **{name: values for name, values in columns.items() if any(v is not None for v in values)},
    }


def _rounded(value: float | None) -> float | None:
    """Five digits, which is more than a batch of images determines; None for what JSON cannot hold."""
    return float(f"{value:.5g}") if value is not None and math.isfinite(value) else None
