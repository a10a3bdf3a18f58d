"""The blocks of Python on each page run, one after another, in one program."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.markdown import PAGES, ROOT, python_blocks

WITH_PYTHON = [page for page in PAGES if python_blocks(page.read_text())]

# A reader of a page has a network and a batch of images; a page need not make them.
GIVEN = """
import torch
import resunit
torch.manual_seed(0)
model = resunit.create_model("preresnet20")
images, labels = torch.randn(2, 3, 32, 32), torch.tensor([0, 1])
"""


@pytest.mark.parametrize("page", WITH_PYTHON, ids=lambda page: page.name)
def test_the_blocks_run(page: Path, tmp_path: Path) -> None:
    program = GIVEN
    for block in python_blocks(page.read_text()):
        if block.reason is not None:
            continue
        if block.file is not None:  # the page tells its reader to keep the block in this file
            with (tmp_path / block.file).open("a") as file:
                file.write(block.code)
        program += block.code
    (tmp_path / "page.py").write_text(program)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)])}
    done = subprocess.run(
        [sys.executable, "page.py"], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("page", WITH_PYTHON, ids=lambda page: page.name)
def test_a_block_that_does_not_run_says_why(page: Path) -> None:
    for block in python_blocks(page.read_text()):
        assert block.reason is None or block.reason.strip(), f"{page.name}: a block is not run for no reason"
