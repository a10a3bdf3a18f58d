"""The blocks of Python on each page run, one after another, as one program."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.markdown import PAGES, ROOT, python_blocks

# A translation has the blocks of its page, as test_tutorials.py asserts.
WITH_PYTHON = [page for page in PAGES if python_blocks(page.read_text()) and ".ko" not in page.suffixes]

# A reader of a page has a network and a batch of images; a page need not make them.
GIVEN = """
import torch
import resunit
torch.manual_seed(0)
model = resunit.create_model("preresnet20")
images, labels = torch.randn(2, 3, 32, 32), torch.tensor([0, 1])
"""


RUN_EACH_PAGE = """
import os, runpy, sys
for page in sys.argv[1:]:
    os.chdir(os.path.dirname(page))
    runpy.run_path(page, run_name="__main__")
"""


def write_program(page: Path, folder: Path) -> Path:
    """Write the blocks of a page as one program, in the folder that the page's files are in."""
    folder.mkdir()
    program = GIVEN
    for block in python_blocks(page.read_text()):
        if block.reason is not None:
            continue
        if block.file is not None:  # the page tells its reader to keep the block in this file
            with (folder / block.file).open("a") as file:
                file.write(block.code)
        program += block.code
    written = folder / f"{page.stem}.py"
    written.write_text(program)
    return written


README = ROOT / "README.md"
# The files and commands of a tutorial are one program, which test_tutorials.py runs.
OTHERS = [page for page in WITH_PYTHON if page != README and page.parent.name != "tutorials"]


@pytest.mark.parametrize(
    "pages",
    [
        pytest.param([README], id="README"),
        pytest.param(OTHERS, id="other pages", marks=pytest.mark.full),
    ],
)
def test_the_blocks_run(pages: list[Path], tmp_path: Path) -> None:
    """The pages run in one process, because it takes seconds to import torch; a traceback names the page."""
    programs = [write_program(page, tmp_path / page.stem) for page in pages]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)])}
    done = subprocess.run(
        [sys.executable, "-c", RUN_EACH_PAGE, *map(str, programs)],
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("page", WITH_PYTHON, ids=lambda page: page.name)
def test_a_block_that_does_not_run_says_why(page: Path) -> None:
    for block in python_blocks(page.read_text()):
        assert block.reason is None or block.reason.strip(), f"{page.name}: a block is not run for no reason"
