"""Runs that start from trained weights: what they take from the file, what stays frozen, and what identifies them."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor, nn

import resunit
from resunit.errors import FileFormatError, RunError, UsageError
from resunit.io.tensors import read_tensors
from resunit.models.network import ResidualNetwork, part_paths
from resunit.models.registry import network_spec
from resunit.models.summary import count_activations, count_multiply_adds, count_training_flops
from resunit.models.weights import read_weights
from resunit.reproduction.experiments.identity import identity_of, recipe_hash
from resunit.runs.folder import RunFolder
from resunit.training.checkpoints import KIND
from resunit.training.optimizer import RecipeOptimizer
from resunit.training.prepare import prepare
from resunit.training.recipe import Recipe, recipe_from_json, with_changes
from resunit.training.recipes import named_recipe
from resunit.training.starting_weights import checksum_of

SMALL: dict[str, Any] = {
    "model": "preresnet20", "data": "cifar10-sample", "steps": 2, "batch_size": 32, "precision": "fp32",
    "image_size": 16, "warmup": 0.0, "ghost_batch_size": None,
}  # fmt: skip


def small(**changes: Any) -> Recipe:
    return with_changes(with_changes(named_recipe("paper"), SMALL), changes)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a short run on CIFAR's sample, whose mean image is its normalisation."""
    out = tmp_path_factory.mktemp("trained") / "run"
    resunit.train(small(), out=out, quiet=True)
    return out


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of three classes with twelve pictures each, of 40 pixels."""
    root = tmp_path_factory.mktemp("photos")
    generator = torch.Generator().manual_seed(0)
    for number, name in enumerate(("apple", "pear", "plum")):
        (root / name).mkdir()
        for index in range(12):
            pixels = torch.randint(80 * number, 80 * number + 90, (40, 40, 3), generator=generator)
            Image.fromarray(pixels.to(torch.uint8).numpy()).save(root / name / f"{index}.png")
    return root


def head(network: nn.Module) -> Tensor:
    assert isinstance(network, ResidualNetwork)
    assert isinstance(network.classifier, nn.Linear)
    return network.classifier.weight


def tensors(folder: Path) -> dict[str, Tensor]:
    return dict(read_weights(folder / "weights.safetensors").tensors)


def test_a_run_takes_network_normalisation_and_image_size_of_the_weights(
    trained: Path, photos: Path, tmp_path: Path
) -> None:
    recipe = with_changes(
        named_recipe("finetune"), {"weights": str(trained), "data": str(photos), "steps": 2, "batch_size": 8}
    )
    assert recipe.model is None
    setup = prepare(recipe)
    assert (setup.model, setup.image_size, setup.dataset.classes) == (
        "preresnet20",
        16,
        ("apple", "pear", "plum"),
    )
    assert setup.spec == replace(network_spec("preresnet20"), num_classes=3)
    stored = read_weights(trained / "weights.safetensors")
    assert setup.normalisation.to_json() == stored.preprocessing["normalisation"]
    ours = setup.network.state_dict()
    assert all(
        torch.equal(ours[name], tensor)
        for name, tensor in stored.tensors.items()
        if not name.startswith("classifier")
    )
    result = resunit.train(recipe, out=tmp_path / "run", quiet=True)
    assert (result.status, result.model, result.design) == ("done", "preresnet20", "full-preactivation")
    written = read_weights(tmp_path / "run" / "weights.safetensors")
    assert written.classes == ("apple", "pear", "plum")
    assert written.preprocessing["normalisation"] == stored.preprocessing["normalisation"]
    assert resunit.load(tmp_path / "run").predict(next(photos.glob("pear/*.png")), top=3)


def test_the_classifier_is_kept_for_the_same_classes_alone(trained: Path) -> None:
    stored = tensors(trained)["classifier.weight"]
    same = head(prepare(small(weights=str(trained), model=None)).network)
    assert torch.equal(same, stored)
    other = prepare(small(weights=str(trained), model=None, data="cifar10-sample", seed=3))
    assert torch.equal(head(other.network), stored)
    assert other.weights is not None
    assert not other.weights.keeps_classifier(tuple(reversed(other.dataset.classes)))
    torch.manual_seed(3)
    fresh = head(other.weights.build(tuple(reversed(other.dataset.classes))))
    assert fresh.shape == stored.shape
    assert not torch.equal(fresh, stored)


def test_frozen_parts_do_not_change_and_have_no_gradient_and_no_state(trained: Path, tmp_path: Path) -> None:
    recipe = small(weights=str(trained), model=None, freeze=("stem", "stage1"), ghost_batch_size=16)
    resunit.train(recipe, out=tmp_path / "run", quiet=True)
    before, after = tensors(trained), tensors(tmp_path / "run")
    still = {name for name in before if torch.equal(before[name], after[name])}
    assert still == {name for name in before if name.startswith(("stem.", "stages.0."))}
    assert any(name.endswith("running_var") for name in still)
    checkpoint = next((tmp_path / "run" / "checkpoints").glob("*.safetensors"))
    optimizer = [name for name in read_tensors(checkpoint, KIND)[1] if name.startswith("optimizer.")]
    assert optimizer
    assert not [name for name in optimizer if name.startswith(("optimizer.stem.", "optimizer.stages.0."))]


def test_a_frozen_part_computes_as_in_evaluation_while_the_rest_trains(trained: Path) -> None:
    setup = prepare(small(weights=str(trained), model=None, freeze=("stem", "stage2")))
    network = setup.network.train()
    assert isinstance(network, ResidualNetwork)
    images = torch.randn(4, 3, 32, 32).contiguous(memory_format=torch.channels_last)
    network(images).sum().backward()
    without = {name for name, parameter in network.named_parameters() if parameter.grad is None}
    assert without == {
        name for name, _ in network.named_parameters() if name.startswith(("stem.", "stages.1."))
    }
    x = torch.randn(4, 16, 32, 32)
    assert torch.equal(network.stages[1](x), network.eval().stages[1](x))


def test_the_head_has_its_own_learning_rate(trained: Path) -> None:
    recipe = small(weights=str(trained), model=None, learning_rate=0.01, head_learning_rate=0.5)
    setup = prepare(recipe)
    optimizer, network = setup.optimizer, setup.network
    before = {name: parameter.detach().clone() for name, parameter in network.named_parameters()}
    for parameter in network.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimizer.set_learning_rate(0.001)  # A tenth of the peak: the head steps with a tenth of its own.
    optimizer.step()
    for name, parameter in network.named_parameters():
        rate = 0.05 if name.startswith("classifier.") else 0.001
        expected = before[name] - rate * (1 + recipe.weight_decay * before[name])
        torch.testing.assert_close(parameter.detach(), expected, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("name", ["quick", "paper"])
def test_the_groups_of_the_optimizer_are_what_they_were(name: str) -> None:
    network = resunit.create_model("preresnet20")
    groups = RecipeOptimizer(named_recipe(name), network).stepped[0][0].param_groups
    assert [group["weight_decay"] for group in groups] == ([0.0, 5e-4] if name == "quick" else [1e-4])
    assert {float(group["lr"]) for group in groups} == {0.1}


@pytest.mark.parametrize(
    ("changes", "error", "named"),
    [
        ({"freeze": ("stage9",)}, UsageError, "'stage9'.*'stage3'"),
        ({"freeze": ("head",)}, UsageError, "stem, stage1"),
        (
            {"freeze": ("stem", "stage1", "stage2", "stage3", "final_activation", "classifier")},
            UsageError,
            "freeze stem,stage1,stage2,stage3,final_activation,classifier ",
        ),
        ({"head_learning_rate": 0.0}, UsageError, r"head_learning_rate .* 0\.0"),
        ({"model": "preresnet32"}, FileFormatError, r"weights\.safetensors: .*depths"),
        ({"model": "preresnet20", "design": "plain"}, FileFormatError, r"weights\.safetensors: .*design"),
        ({"gate_bias": 1.0}, UsageError, "design.*weights.*model"),
        ({"image_size": 8}, UsageError, "--image-size 16 .*--crop shift"),
    ],
)
def test_what_does_not_fit_the_weights_is_refused(
    changes: dict[str, Any], error: type[Exception], named: str, trained: Path
) -> None:
    with pytest.raises(error, match=named):
        prepare(small(weights=str(trained), **changes))


def test_weights_that_are_not_there_are_named(tmp_path: Path) -> None:
    (tmp_path / "unfinished").mkdir()
    for name in ("none", "unfinished"):
        with pytest.raises(FileFormatError, match=f"{tmp_path / name}: "):
            prepare(small(weights=str(tmp_path / name)))
    with pytest.raises(UsageError, match=r"model.*weights"):
        small(model=None)


def test_a_run_that_goes_on_ends_with_the_same_weights(trained: Path, tmp_path: Path) -> None:
    changes: dict[str, Any] = {"weights": str(trained), "freeze": ("stage1",), "milestones": ()}
    resunit.train(small(**changes, steps=4), out=tmp_path / "whole", quiet=True)
    resunit.train(small(**changes, steps=2), out=tmp_path / "cut", quiet=True)
    resunit.resume(tmp_path / "cut", steps=4, quiet=True)  # Without milestones both have one learning rate.
    whole, cut = tensors(tmp_path / "whole"), tensors(tmp_path / "cut")
    assert all(torch.equal(whole[name], cut[name]) for name in whole)


def test_a_run_does_not_go_on_with_other_weights(trained: Path, tmp_path: Path) -> None:
    copied = tmp_path / "copied"
    shutil.copytree(trained, copied)
    resunit.train(small(weights=str(copied)), out=tmp_path / "run", quiet=True)
    folder = RunFolder(tmp_path / "run")
    environment, recipe = folder.read_environment(), recipe_from_json(folder.read_recipe())
    assert environment is not None
    assert environment.weights_checksum == checksum_of(str(trained))
    assert recipe.weights == str((copied / "weights.safetensors").resolve())
    folder.result.unlink()
    resunit.train(small(seed=1), out=tmp_path / "other", quiet=True)
    shutil.copy(tmp_path / "other" / "weights.safetensors", copied / "weights.safetensors")
    with pytest.raises(RunError, match=r"weights\.safetensors"):
        resunit.resume(folder.path, quiet=True)


def test_the_identity_follows_the_weights_and_not_their_place(trained: Path, tmp_path: Path) -> None:
    plain = small()
    assert "weights" in plain.to_json()
    from_weights = small(weights=str(trained), model=None)
    copied = tmp_path / "copied.safetensors"
    shutil.copy(trained / "weights.safetensors", copied)
    moved = replace(from_weights, weights=str(copied))
    assert identity_of(from_weights, "data") == identity_of(moved, "data")
    assert len({identity_of(recipe, "data") for recipe in (plain, from_weights)}) == 2
    assert identity_of(from_weights, "data") != identity_of(replace(from_weights, freeze=("stem",)), "data")
    older = {
        name: value
        for name, value in plain.to_json().items()
        if name not in ("weights", "freeze", "head_learning_rate")
    }
    assert recipe_from_json(json.loads(json.dumps(older))) == plain
    assert recipe_hash(older) == recipe_hash(plain.to_json())


def test_frozen_parts_cost_no_gradient_to_their_weights() -> None:
    spec = network_spec("preresnet20")
    forward = 2 * count_multiply_adds(spec, 32)
    stage3 = 2 * (5 * 64 * 64 * 9 * 8 * 8 + 32 * 64 * 9 * 8 * 8)  # option A: no convolution in a shortcut
    # Stage 3 begins with a norm that trains, so all of its convolutions have both gradients, and so has the head.
    expected = forward + 2 * (stage3 + 2 * 64 * 10)
    assert count_training_flops(spec, 32, ("stem", "stage1", "stage2")) == expected
    assert (
        count_activations(spec, 32, ("stem", "stage1")).everything
        < count_activations(spec, 32).everything / 2
    )


def test_the_names_of_parts_and_their_paths() -> None:
    assert part_paths(("stem", "stage1", "stage3", "classifier"), 3) == [
        "stem",
        "stages.0",
        "stages.2",
        "classifier",
    ]
