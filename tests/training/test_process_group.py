"""Training under torchrun from a Python program: a process group that it opened is closed, and no other."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.patience import PATIENCE

PROGRAM = """
import dataclasses
import torch
from torch import distributed
import resunit

recipe = dataclasses.replace(
    resunit.named_recipe("quick"),
    data="cifar10-sample", epochs=None, steps=1, batch_size=16, evaluation_images=16, tta=False,
)


def train(name):
    assert resunit.train(recipe, out=name, quiet=True).status == "done"
    return distributed.is_initialized()


opened = [train("first")]
try:
    train("first")  # It opens a second group, and finds the folder in use.
except (resunit.ResunitError, SystemExit):
    opened.append(distributed.is_initialized())

distributed.init_process_group("gloo")
opened.append(train("in the group of the program"))
total = torch.ones(1)
distributed.all_reduce(total)
distributed.destroy_process_group()
print(f"{opened} {total.item():g}\\n", end="", flush=True)  # In one piece, because two processes print.
"""


@pytest.mark.full
def test_a_program_under_torchrun_keeps_its_process_groups(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(PROGRAM)
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", "--standalone"]
    done = subprocess.run(
        [*torchrun, "program.py"], cwd=tmp_path, check=True, capture_output=True, text=True, timeout=PATIENCE
    )
    assert done.stdout.splitlines() == ["[False, False, True] 2"] * 2
