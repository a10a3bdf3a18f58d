"""Several runs share one GPU, and their time is measured as they will share it."""

import subprocess
import sys
from pathlib import Path

import pytest

from resunit.reproduction.evidence.records import read_records, records_path
from resunit.reproduction.running.run_times import seconds_of_runs
from resunit.training.recipe import with_changes
from resunit.training.recipes import named_recipe

pytestmark = pytest.mark.gpu


def test_runs_at_a_time_end_with_the_numbers_of_runs_one_after_another(tmp_path: Path) -> None:
    found = []
    for jobs in ("1", "2"):
        out = tmp_path / jobs
        command = [sys.executable, "-m", "resunit", "reproduce", "claims", "--only", "20-*", "--scale", "smoke",
                   "--seeds", "1", "--jobs", jobs, "--device", "cuda", "--no-cudnn-benchmark",
                   "--out", str(out)]  # fmt: skip
        subprocess.run(command, check=True, capture_output=True)
        found.append({record.row: record for record in read_records(records_path(out, "smoke"))})
    one, two = found
    assert one.keys() == two.keys()
    for row, record in one.items():
        assert (record.status, record.test_error, record.train_loss) == (
            "done",
            two[row].test_error,
            two[row].train_loss,
        )


def test_the_time_of_runs_is_measured_for_as_many_as_share_the_card() -> None:
    recipe = with_changes(named_recipe("paper"), {"model": "preresnet20", "device": "cuda", "steps": 1000})
    (alone,), (shared,) = (seconds_of_runs([recipe], 1, jobs) for jobs in (1, 2))
    assert alone > 0
    assert shared > 0
