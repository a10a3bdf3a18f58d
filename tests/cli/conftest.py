"""A finished run to use commands on."""

from pathlib import Path

import pytest

import resunit
from resunit.training.recipe import with_changes
from resunit.training.recipes import named_recipe


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run on the sample."""
    folder = tmp_path_factory.mktemp("runs") / "done"
    changes = {"model": "preresnet20", "data": "cifar10-sample", "image_size": 16, "steps": 2}
    recipe = with_changes(named_recipe("paper"), changes)
    resunit.train(recipe, out=folder, quiet=True)
    return folder
