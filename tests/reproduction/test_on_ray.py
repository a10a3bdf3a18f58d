"""The same runs on a local Ray, with a worker that is killed."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from resunit.reproduction.evidence.records import read_records, records_path
from resunit.reproduction.running.on_ray import share_of_gpu
from tests.patience import PATIENCE

SETTINGS = ["--steps", "40", "--checkpoint-every", "5", "--evaluate-steps", "5"]


@pytest.mark.parametrize(
    ("gpus", "jobs", "share"), [(1, 1, 1), (1, 4, 0.25), (8, 8, 1), (8, 2, 1), (2, 4, 0.5), (0, 2, 0.5)]
)
def test_runs_share_the_gpus_of_a_machine(gpus: int, jobs: int, share: float) -> None:
    """Where no machine has one, a run asks for one all the same, and Ray says that there is none."""
    assert share_of_gpu(gpus, jobs) == share


@pytest.mark.full
def test_a_run_whose_worker_dies_goes_on_elsewhere(tmp_path: Path) -> None:
    out = tmp_path / "out"
    command = [sys.executable, "-m", "resunit", "reproduce", "claims", "--only", "20-*", "--scale", "smoke",
               "--seeds", "1", "--on", "ray", "--out", str(out), *SETTINGS]  # fmt: skip
    runner = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + PATIENCE
    while not list(out.glob("runs/*/run/checkpoints/*.safetensors")):
        assert time.monotonic() < deadline
        assert runner.poll() is None, runner.communicate()
        time.sleep(0.1)
    workers = [
        process
        for process in psutil.process_iter(["cmdline"])
        if " ".join(process.info["cmdline"] or []).startswith("ray::") and "20-" in process.info["cmdline"][0]
    ]
    assert workers, "a Ray worker is named after its run"
    os.kill(workers[0].pid, signal.SIGKILL)
    _, errors = runner.communicate(timeout=PATIENCE)
    assert runner.returncode == 0, errors
    found = read_records(records_path(out, "smoke"))
    assert [record.status for record in found] == ["done", "done"]
    for record in found:
        assert [point.step for point in record.curve] == list(range(5, 41, 5))
