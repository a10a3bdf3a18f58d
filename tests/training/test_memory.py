"""What fits is decided, and what does not is refused, before anything is allocated or written."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from resunit.training.memory import SHARE, resolve_memory

from resunit import create_model, named_recipe
from resunit.cli import main
from resunit.errors import UsageError
from resunit.models.registry import network_spec
from resunit.models.summary import activation_memory
from resunit.training.devices import free_in_container, free_memory
from resunit.training.distributed import Distributed
from resunit.training.recipe import Recipe

CPU = Distributed(0, 1, torch.device("cpu"))
SPEC = network_spec("preresnet1001")


def recipe(images: int, **changes: object) -> Recipe:
    paper = replace(named_recipe("paper"), model="preresnet1001", precision="bf16", ghost_batch_size=None)
    return replace(paper, batch_size=images, **changes)


def images_that_fill(numbers: int) -> int:
    free = free_memory(CPU.device)
    assert free is not None
    return int(SHARE * free) // (2 * numbers)


def test_all_maps_are_stored_where_they_fit() -> None:
    assert resolve_memory(recipe(2), SPEC, 32, CPU) == "fast"
    assert resolve_memory(recipe(2, activation_checkpointing="small"), SPEC, 32, CPU) == "small"


def test_auto_recomputes_where_they_do_not() -> None:
    images = 2 * images_that_fill(activation_memory(SPEC, 32).everything)
    assert resolve_memory(recipe(images), SPEC, 32, CPU) == "small"
    assert resolve_memory(recipe(images, ghost_batch_size=2), SPEC, 32, CPU) == "fast"
    with pytest.raises(
        UsageError, match=r"activation_checkpointing=fast.*--set activation_checkpointing=small fits"
    ):
        resolve_memory(recipe(images, activation_checkpointing="fast"), SPEC, 32, CPU)


def test_what_the_refusal_proposes_fits() -> None:
    images = 3 * images_that_fill(activation_memory(SPEC, 32).recomputed)
    with pytest.raises(UsageError, match="GiB are free") as refusal:
        resolve_memory(recipe(images), SPEC, 32, CPU)
    proposed = re.search(
        r"activation_checkpointing=small --set ghost_batch_size=(\d+) fits", str(refusal.value)
    )
    assert proposed is not None
    assert resolve_memory(recipe(images, ghost_batch_size=int(proposed[1])), SPEC, 32, CPU) == "small"


def test_a_run_recomputes_to_bitwise_the_same_weights(tmp_path: Path) -> None:
    results = []
    for memory in ("fast", "small"):
        settings = [
            "--steps=3",
            "--batch-size=16",
            "--ghost-batch-size=8",
            f"--activation-checkpointing={memory}",
        ]
        command = ["train", "--recipe", "paper", "--model", "preresnet56", "--data", "cifar10-sample"]
        assert main([*command, *settings, "--out", str(tmp_path / memory), "--json"]) == 0
        results.append(create_model(weights=tmp_path / memory / "weights.safetensors").state_dict())
    fast, small = results
    assert all(torch.equal(fast[name], small[name]) for name in fast)


def test_a_containers_cached_files_count_as_free(tmp_path: Path) -> None:
    (tmp_path / "memory.max").write_text("max\n")
    assert free_in_container(tmp_path) is None
    (tmp_path / "memory.max").write_text("1000\n")
    (tmp_path / "memory.current").write_text("700\n")
    (tmp_path / "memory.stat").write_text("anon 300\nfile 400\ninactive_file 350\n")
    assert free_in_container(tmp_path) == 1000 - 700 + 350
