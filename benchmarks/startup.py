"""From the command to its first answer and to its first training step, on a warm disk cache."""

import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.contest import Report
from benchmarks.processes import MeasurementError
from benchmarks.records import Measurement
from benchmarks.timing import interleave
from resunit.data import verify
from resunit.io.progress import counting

HELP, FIRST_STEP = "resunit --help", "first training step"
COMMAND = (sys.executable, "-m", "resunit")
POLL = 0.005  # seconds


def measure(report: Report, *, rounds: int = 5) -> None:
    """`resunit --help`, and `resunit train` until the checkpoint after its first step is on disk.

    That is a little later than the step itself. The data are CIFAR-10 if it is stored here, else the sample.
    """
    data = "cifar10" if all(check.ok for check in verify("cifar10")) else "cifar10-sample"
    with counting("startup", 2 * rounds, report.shown) as advance:
        contestants = {
            HELP: (lambda _: help_seconds(), 1),
            FIRST_STEP: (lambda _: first_step_seconds(data), 1),
        }
        first_step_seconds(data)  # warms the disk cache
        seconds = interleave(contestants, rounds, advance)
    for contestant, times in seconds.items():
        details = {"data": data, "recipe": "quick"} if contestant == FIRST_STEP else {}
        report.measurements.append(Measurement("startup", contestant, times, 1, "runs", details=details))


def help_seconds() -> float:
    started = time.perf_counter()
    subprocess.run([*COMMAND, "--help"], check=True, capture_output=True)
    return time.perf_counter() - started


def first_step_seconds(data: str) -> float:
    """Seconds until the first checkpoint, one after each step, is there; the run is then told to stop."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "run"
        command = [*COMMAND, "train", "--data", data, "--out", str(out), "--set", "checkpoint_every=1"]
        started = time.perf_counter()
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        while not any((out / "checkpoints").glob("*.safetensors")):
            if process.poll() is not None:
                _, message = process.communicate()
                raise MeasurementError(f"resunit train ended before its first step: {message.strip()}")
            time.sleep(POLL)
        seconds = time.perf_counter() - started
        process.send_signal(signal.SIGTERM)
        process.communicate()
    return seconds
