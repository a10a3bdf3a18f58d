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
from tests.patience import PATIENCE

SETTINGS = ["--steps", "40", "--checkpoint-every", "5", "--evaluate-steps", "5"]


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
