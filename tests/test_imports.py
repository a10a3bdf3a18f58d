"""What importing and help load; which room imports which is import-linter's to check (pyproject.toml)."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    "arguments", [["--help"], ["train", "--help"], ["reproduce", "--help"], ["propagation", "--help"]]
)
def test_help_imports_no_torch(arguments: list[str]) -> None:
    code = f"import sys; from resunit.cli import main; main({arguments!r}); sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_importing_resunit_imports_no_torch() -> None:
    code = "import resunit, sys; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_first_use_of_each_name_leaves_random_numbers_alone() -> None:
    """Libraries that are imported then may draw some; rich does, for the names of links."""
    code = """
import random, sys
import numpy, torch
import resunit

before = random.getstate(), str(numpy.random.get_state()), torch.get_rng_state().tolist()
for name in resunit.__all__:
    getattr(resunit, name)
after = random.getstate(), str(numpy.random.get_state()), torch.get_rng_state().tolist()
sys.exit(before != after)
"""
    subprocess.run([sys.executable, "-c", code], check=True)
