"""Subject "startup": the time from a command to its first answer, with files in the disk cache."""

import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.processes import MeasurementError
from benchmarks.records import Details, Measurement
from benchmarks.session import Session
from benchmarks.timing import Timed, interleave
from resunit.data import verify
from resunit.io.progress import counting

HELP, IMPORT, FIRST_STEP = "resunit --help", "import resunit", "first training step"
COMMAND = (sys.executable, "-m", "resunit")
SECONDS_BETWEEN_LOOKS = 0.005


def measure(session: Session, *, rounds: int = 5) -> None:
    """Measure `resunit --help`, `import resunit`, and `resunit train` up to the end of its first step.

    The first step is seen by its checkpoint, which is on disk a little later than the step ends. The data are
    CIFAR-10 if this machine has it, else the sample.

    Args:
        session: where measurements go.
        rounds: the number of turns of each entry.
    """
    data = "cifar10" if all(check.ok for check in verify("cifar10")) else "cifar10-sample"
    entries: dict[str, tuple[Timed, int]] = {
        HELP: (lambda _: time_command(*COMMAND, "--help"), 1),
        IMPORT: (lambda _: time_command(sys.executable, "-c", "import resunit"), 1),
        FIRST_STEP: (lambda _: time_first_step(data), 1),
    }
    with counting("startup", len(entries) * rounds, session.shown) as advance:
        time_first_step(data)  # This brings the files into the disk cache.
        seconds = interleave(entries, rounds, advance)
    for entry, times in seconds.items():
        details = Details(data=data, recipe="quick") if entry == FIRST_STEP else Details()
        session.measurements.append(Measurement("startup", entry, times, 1, "runs", details=details))


def time_command(*command: str) -> float:
    """Return the seconds that a command takes in a process of its own."""
    started = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - started


def time_first_step(data: str) -> float:
    """Return the seconds of `resunit train` up to its first checkpoint; the run is then told to stop.

    Raises:
        MeasurementError: the run ended before it wrote a checkpoint.
    """
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "run"
        command = [*COMMAND, "train", "--data", data, "--out", str(out), "--checkpoint-every", "1"]
        started = time.perf_counter()
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        while not any((out / "checkpoints").glob("*.safetensors")):
            if process.poll() is not None:
                _, message = process.communicate()
                raise MeasurementError(f"resunit train ended before its first step: {message.strip()}")
            time.sleep(SECONDS_BETWEEN_LOOKS)
        seconds = time.perf_counter() - started
        process.send_signal(signal.SIGTERM)
        process.communicate()
    return seconds
