"""Where a run happened, also for a program that was not installed."""

from importlib.metadata import PackageNotFoundError

import numpy as np
import pytest
import torch

import resunit
from resunit.training.environment import describe_environment


def test_a_source_tree_without_metadata_knows_its_version(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr("importlib.metadata.distribution", absent)
    environment = describe_environment(torch.device("cpu"), "fp32", 1, recipe={"name": "mine"})
    assert environment.resunit == resunit.__version__
    assert environment.numpy == np.__version__
    assert environment.torchvision == "unknown"
    assert environment.recipe == {"name": "mine"}
