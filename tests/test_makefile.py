"""What `make run` and `make test` say and do on a fresh checkout."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
INDEX = "https://index.example/cpu"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    for name in ("Makefile", "pyproject.toml", "requirements.lock"):
        shutil.copy(ROOT / name, tmp_path)
    return tmp_path


def commands(checkout: Path, *arguments: str) -> str:
    """Return the commands that make would perform, whether or not make started the tests."""
    make = ["make", "--dry-run", "--no-print-directory", *arguments]
    of_make = ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")
    environment = {name: value for name, value in os.environ.items() if name not in of_make}
    done = subprocess.run(make, cwd=checkout, env=environment, capture_output=True, text=True, check=True)
    return done.stdout


@pytest.mark.parametrize("target", ["run", "test"])
def test_what_is_installed_is_said_before_with_its_size_and_time(checkout: Path, target: str) -> None:
    said, _, installing = commands(checkout, target).partition("pip install")
    assert all(word in said for word in ("GB", "minutes", "TORCH_INDEX=URL", f"make {target} "))
    assert "--quiet" not in installing  # pip shows its progress.
    assert "--extra-index-url" not in installing


@pytest.mark.parametrize("target", ["run", "test"])
def test_an_index_for_torch_is_passed_on_and_named(checkout: Path, target: str) -> None:
    said, _, installing = commands(checkout, target, f"TORCH_INDEX={INDEX}").partition("pip install")
    assert f"TORCH_INDEX={INDEX}" in said
    assert f"--extra-index-url {INDEX}" in installing


def test_options_of_training_are_passed_on_and_nothing_is_asked(checkout: Path) -> None:
    text = commands(checkout, "run", "TRAIN=--epochs 3")
    assert text.rstrip().endswith("resunit train --epochs 3")
    assert "TRAIN='--epochs 3'" in text
    assert "read " not in text
