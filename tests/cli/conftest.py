"""A finished run to use commands on."""

from pathlib import Path

import pytest

import resunit
from resunit.training.recipes import named_recipe
from resunit.training.settings import with_settings


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run on the sample."""
    folder = tmp_path_factory.mktemp("runs") / "done"
    recipe = with_settings(named_recipe("paper"), ["model=preresnet20", "data=cifar10-sample", "steps=2"])
    resunit.train(recipe, out=folder, quiet=True)
    return folder
