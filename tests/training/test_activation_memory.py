"""Before anything is allocated or written, it is decided which activations fit, and refused if none do."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from resunit import create_model, named_recipe, train
from resunit.errors import UsageError
from resunit.models.registry import network_spec
from resunit.models.summary import count_activations
from resunit.training.activation_memory import USABLE_SHARE, resolve_activation_checkpointing
from resunit.training.devices import free_memory_of
from resunit.training.distributed import Distributed
from resunit.training.recipe import Recipe, with_changes

CPU = Distributed(0, 1, torch.device("cpu"))
SPEC = network_spec("preresnet1001")


def recipe(images: int, **changes: Any) -> Recipe:
    paper = replace(named_recipe("paper"), model="preresnet1001", precision="bf16", ghost_batch_size=None)
    return replace(paper, batch_size=images, **changes)


def images_that_fill(numbers: int) -> int:
    free = free_memory_of(CPU.device)
    assert free is not None
    return int(USABLE_SHARE * free) // (2 * numbers)


def test_all_activations_are_stored_where_they_fit() -> None:
    assert resolve_activation_checkpointing(recipe(2), SPEC, 32, CPU) == "fast"
    assert (
        resolve_activation_checkpointing(recipe(2, activation_checkpointing="small"), SPEC, 32, CPU)
        == "small"
    )


def test_auto_computes_them_again_where_they_do_not_fit() -> None:
    images = 2 * images_that_fill(count_activations(SPEC, 32).everything)
    assert resolve_activation_checkpointing(recipe(images), SPEC, 32, CPU) == "small"
    assert resolve_activation_checkpointing(recipe(images, ghost_batch_size=2), SPEC, 32, CPU) == "fast"
    with pytest.raises(UsageError, match="--activation-checkpointing small"):
        resolve_activation_checkpointing(recipe(images, activation_checkpointing="fast"), SPEC, 32, CPU)


def test_what_the_refusal_proposes_fits() -> None:
    images = 3 * images_that_fill(count_activations(SPEC, 32).checkpointed)
    with pytest.raises(UsageError, match="preresnet1001") as refusal:
        resolve_activation_checkpointing(recipe(images), SPEC, 32, CPU)
    proposed = re.search(r"--activation-checkpointing small --ghost-batch-size (\d+)", str(refusal.value))
    assert proposed is not None
    assert (
        resolve_activation_checkpointing(recipe(images, ghost_batch_size=int(proposed[1])), SPEC, 32, CPU)
        == "small"
    )


@pytest.mark.full
def test_activation_checkpointing_gives_bitwise_the_same_weights(tmp_path: Path) -> None:
    results = []
    for mode in ("fast", "small"):
        changes = {
            "model": "preresnet56", "data": "cifar10-sample", "steps": 3, "batch_size": 16,
            "ghost_batch_size": 8, "activation_checkpointing": mode,
        }  # fmt: skip
        train(with_changes(named_recipe("paper"), changes), out=tmp_path / mode, quiet=True)
        results.append(create_model(weights=tmp_path / mode / "weights.safetensors").state_dict())
    fast, small = results
    assert all(torch.equal(fast[name], small[name]) for name in fast)
