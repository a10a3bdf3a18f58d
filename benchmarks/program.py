"""Subject "program": `resunit train` next to its bare training step.

The difference is what reading, augmenting and recording cost.
"""

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.entries import BARE_STEP, PROGRAM, Workload
from benchmarks.processes import MeasurementError, WorkProcess
from benchmarks.records import Measurement, Settings
from benchmarks.session import Session
from benchmarks.timing import Spread, Timed, interleave
from resunit.io.progress import counting
from resunit.models.registry import network_spec
from resunit.runs.record_files import read_all
from resunit.runs.schema import LogLine

DATA = "cifar10-sample"
EPOCHS, EPOCHS_BETWEEN_EVALUATIONS = 12, 4  # The time up to the first evaluation is not counted: it warms up.
BARE_STEPS_PER_TURN = 20


def measure(
    session: Session,
    *,
    model: Sequence[str] = ("preresnet20",),
    batch_size: int = 128,
    rounds: int = 3,
) -> None:
    """Measure `resunit train`, in a process of its own, and its bare step in turns.

    Images per second of a run are those of its log, which counts steps alone: neither evaluations nor
    checkpoints.

    Args:
        session: where measurements go.
        model: names of networks.
        batch_size: images a step.
        rounds: the number of turns of each entry.
    """
    for name in model:
        spec = network_spec(name)
        workload = Workload(name, spec, batch_size, spec.image_size)
        bare = workload.our_step(BARE_STEP)
        with (
            counting(f"program: {name}", 2 * rounds, session.shown) as advance,
            WorkProcess(bare.prepare, *bare.arguments) as process,
        ):
            settings = Settings(batch_size, workload.image_size, process.wait().threads)
            entries: dict[str, tuple[Timed, int]] = {
                bare.name: (process.seconds, BARE_STEPS_PER_TURN),
                PROGRAM: (lambda _, name=name: measure_step(name, batch_size), 1),
            }
            process.seconds(BARE_STEPS_PER_TURN)
            seconds = interleave(entries, rounds, advance)
        for entry, times in seconds.items():
            session.measurements.append(
                Measurement("program", entry, times, batch_size, "images", name, settings)
            )


def measure_step(name: str, batch_size: int) -> float:
    """Return the seconds a step of `resunit train` by its log: the median of the intervals after the first."""
    log = train_and_read_log(
        name, batch_size, "--epochs", str(EPOCHS), "--evaluate-every", str(EPOCHS_BETWEEN_EVALUATIONS)
    )
    rates = [line.images_per_second for line in log[1:] if line.images_per_second]
    return batch_size / Spread.of(rates).median


def train_and_read_log(name: str, batch_size: int, *options: str) -> list[LogLine]:
    """Train a network on the sample with `resunit train` and return the lines of its log.

    Args:
        name: the network's name.
        batch_size: images a step.
        options: more options of the command.

    Raises:
        MeasurementError: the command failed; the message is the last thing it said.
    """
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "run"
        command = [
            *(sys.executable, "-m", "resunit", "train", "--model", name, "--recipe", "paper"),
            *("--data", DATA, "--out", str(out), "--json", "--learning-rate", "0.01"),
            *("--batch-size", str(batch_size), "--ghost-batch-size", "none", *options),
        ]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise MeasurementError(f"resunit train failed: {done.stderr.strip()}")
        return read_all(LogLine, out / "log.jsonl")
