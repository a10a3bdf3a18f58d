"""The whole program beside its bare training step: what reading, augmenting and recording cost."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.contest import BARE_STEP, PROGRAM, Network, Report
from benchmarks.processes import MeasurementError, WorkProcess
from benchmarks.records import Measurement
from benchmarks.timing import interleave, spread
from resunit.io.progress import counting
from resunit.models.registry import network_spec

EPOCHS, EVALUATE_EVERY = 12, 4  # of the shipped sample; what comes before the first evaluation is not counted
DATA = "cifar10-sample"
BARE_STEPS = 20  # in a turn


def measure(
    report: Report,
    *,
    model: Sequence[str] = ("preresnet20",),
    batch_size: int = 128,
    rounds: int = 3,
) -> None:
    """`resunit train` in a process of its own and the bare step take turns.

    A run's images a second are those of its log, which counts training alone: neither evaluation nor
    checkpoints.
    """
    for name in model:
        spec = network_spec(name)
        network = Network(name, spec, batch_size, spec.image_size)
        bare = network.ours(BARE_STEP)
        with (
            counting(f"program: {name}", 2 * rounds, report.shown) as advance,
            WorkProcess(bare.prepare, *bare.arguments) as process,
        ):
            details = process.details()
            contestants = {
                bare.name: (process.seconds, BARE_STEPS),
                PROGRAM: (lambda _, name=name: train_seconds(name, batch_size), 1),
            }
            process.seconds(BARE_STEPS)
            seconds = interleave(contestants, rounds, advance)
        settings = {"batch_size": batch_size, "image_size": network.image_size, "threads": details["threads"]}
        for contestant, times in seconds.items():
            report.measurements.append(
                Measurement("program", contestant, times, batch_size, "images", name, settings)
            )


def train_seconds(name: str, batch_size: int) -> float:
    """Seconds a step of `resunit train`, by its log: the median of the stretches after the first."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "run"
        settings = (
            f"batch_size={batch_size}", "ghost_batch_size=none", "learning_rate=0.01",
            f"epochs={EPOCHS}", f"evaluate_every={EVALUATE_EVERY}",
        )  # fmt: skip
        command = [
            *(sys.executable, "-m", "resunit", "train", "--model", name, "--recipe", "paper"),
            *("--data", DATA, "--out", str(out), "--json"),
            *(part for setting in settings for part in ("--set", setting)),
        ]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise MeasurementError(f"resunit train failed: {done.stderr.strip()}")
        log = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    rates = [line["images_per_second"] for line in log[1:] if line["images_per_second"]]
    return batch_size / spread(rates).median
