"""Training under torchrun from a Python program: a process group that it opened is closed, and no other."""

import os
import socket
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


LOSES_THE_OTHER = """
import os
import torch
from resunit.errors import RunError
from resunit.training.distributed import start_distributed

place, one = start_distributed("cpu"), torch.ones(1)
place.all_reduce(one)
if place.rank == 1:
    os._exit(0)
try:
    with place.explained_loss():
        while True:
            place.all_reduce(one)
except RunError as error:
    print(error)
"""


@pytest.mark.full
def test_a_rank_that_loses_another_one_says_so() -> None:
    """The error of gloo has no class of its own, so this test meets it."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    ranks = [
        subprocess.Popen(
            [sys.executable, "-c", LOSES_THE_OTHER],
            env=os.environ
            | {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": "2", "RANK": rank},
            stdout=subprocess.PIPE,
            text=True,
        )
        for rank in ("0", "1")
    ]
    said, _ = (rank.communicate(timeout=PATIENCE)[0] for rank in ranks)
    assert [rank.returncode for rank in ranks] == [0, 0]
    assert said.startswith("rank 0 has lost the connection to another process")
