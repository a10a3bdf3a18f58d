"""What the command line sets for its own process before torch is loaded."""

import os
import subprocess
import sys

import pytest

PROGRAM = """
import os, sys
from resunit.cli import main
main(["models", "resnet20", "--json"])
print(os.environ.get("GOMP_SPINCOUNT"), file=sys.stderr)
"""
DECISIONS = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")


def spin_count_after(**decided: str) -> str:
    environment = {name: value for name, value in os.environ.items() if name not in DECISIONS}
    finished = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=environment | decided, capture_output=True, text=True, check=True
    )
    return finished.stderr.strip()


@pytest.mark.parametrize(
    ("decided", "expected"),
    [({}, "1000"), ({"GOMP_SPINCOUNT": "7"}, "7"), ({"OMP_WAIT_POLICY": "active"}, "None")],
)
def test_waiting_threads_give_their_cores_away_soon_unless_the_user_has_decided(
    decided: dict[str, str], expected: str
) -> None:
    assert spin_count_after(**decided) == expected


def test_libgomp_reads_the_shorter_spin_when_torch_is_loaded() -> None:
    program = "from resunit.cli.process import shorten_spin; shorten_spin(); import torch; torch.ones(1)"
    environment = {name: value for name, value in os.environ.items() if name not in DECISIONS}
    finished = subprocess.run(
        [sys.executable, "-c", program],
        env=environment | {"OMP_DISPLAY_ENV": "VERBOSE"},
        capture_output=True,
        text=True,
        check=True,
    )
    # Elsewhere torch brings another OpenMP library, which takes no notice.
    assert sys.platform != "linux" or "GOMP_SPINCOUNT = '1000'" in finished.stderr
