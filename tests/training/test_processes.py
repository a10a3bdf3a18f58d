"""Several processes train as one does: the same images, ghost batches, statistics, gradients and evaluations."""

import json
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional

from resunit.errors import UsageError
from resunit.training.ghost_batch_norm import MOMENTUM
from resunit.training.prepare import prepare
from resunit.training.recipe import with_changes
from resunit.training.recipes import named_recipe
from resunit.training.resolve import check_shares
from resunit.training.training_step import TrainingStep
from tests.training import train_steps
from tests.training.train_steps import computed_by

SMALL: dict[str, Any] = {
    "model": "preresnet20", "data": "cifar10-sample", "image_size": 8, "padding": 2, "batch_size": 32,
    "ghost_batch_size": None, "device": "cpu",
}  # fmt: skip
# The learning rate is low, because at the paper's a difference of 1e-16 grows by two thirds a step.
FIFTY = SMALL | {"precision": "fp64", "steps": 50, "learning_rate": 0.01, "warmup": 0.1}
TWO = FIFTY | {"steps": 2}
TEN = FIFTY | {"steps": 10}
# Without weight decay the momentum of the first step is its gradient.
ONE = SMALL | {"precision": "fp32", "steps": 1, "weight_decay": 0.0}
RECIPES = {
    "ten steps": TEN,
    "ten steps of ghost batches": TEN | {"ghost_batch_size": 8},
    "two steps without batch norm": TWO | {"design": "skipinit"},
    "two steps with frozen parts": TWO | {"freeze": ["stem", "stage1"]},
    "two steps of Muon": TWO | {"optimizer": "muon"},
    "gradient": ONE,
    "gradient of ghost batches": ONE | {"ghost_batch_size": 8},
    "gradient with activations computed again": ONE | {"activation_checkpointing": "small"},
}
LONG_RECIPES = {"fifty steps": FIFTY, "fifty steps of ghost batches": FIFTY | {"ghost_batch_size": 8}}
Results = dict[str, dict[str, Tensor]]


def computed_by_processes(number: int, recipes: dict[str, dict[str, Any]], out: Path) -> Results:
    (out / "recipes.json").write_text(json.dumps(recipes))
    torchrun = [sys.executable, "-m", "torch.distributed.run", f"--nproc-per-node={number}", "--standalone"]
    command = [*torchrun, train_steps.__file__, str(out / "recipes.json"), str(out)]
    subprocess.run(command, check=True, capture_output=True, timeout=600)
    return {name: load_file(out / f"{name}.safetensors") for name in recipes}


@pytest.fixture(scope="module")
def one() -> Results:
    return {name: computed_by(changes) for name, changes in RECIPES.items()}


@pytest.fixture(scope="module", params=[2, pytest.param(4, marks=pytest.mark.full)])
def several(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Results:
    return computed_by_processes(
        request.param, RECIPES, tmp_path_factory.mktemp(f"{request.param} processes")
    )


@pytest.mark.parametrize("name", [name for name in RECIPES if "steps" in name])
def test_in_fp64_the_weights_agree_to_1e_9(name: str, one: Results, several: Results) -> None:
    assert_agree(one[name], several[name])


@pytest.mark.full
@pytest.mark.parametrize("number", [2, 4])
def test_in_fp64_the_weights_agree_to_1e_9_after_fifty_steps_too(number: int, tmp_path: Path) -> None:
    several = computed_by_processes(number, LONG_RECIPES, tmp_path)
    for name, changes in LONG_RECIPES.items():
        assert_agree(computed_by(changes), several[name])


def assert_agree(one: dict[str, Tensor], several: dict[str, Tensor]) -> None:
    assert one.keys() == several.keys()
    for name, expected in one.items():
        torch.testing.assert_close(several[name], expected, rtol=0, atol=1e-9)
    assert one["network.classifier.weight"].dtype == torch.float64


@pytest.mark.parametrize("name", [name for name in RECIPES if name.startswith("gradient")])
def test_in_fp32_the_gradients_agree_to_1e_5(name: str, one: Results, several: Results) -> None:
    gradients = [tensor for tensor in one[name] if tensor.startswith("optimizer.")]
    assert gradients
    for gradient in gradients:
        found, expected = several[name][gradient], one[name][gradient]
        assert (found - expected).norm() <= 1e-5 * expected.norm(), gradient


@pytest.mark.parametrize("images", train_steps.EVALUATED)
def test_every_image_is_evaluated_once(images: int, one: Results, several: Results) -> None:
    for name in ("gradient", "ten steps"):
        answers, labels = several[name][f"answers.{images}"], several[name][f"labels.{images}"]
        assert len(answers) == len(labels) == images
        assert torch.equal(labels, one[name][f"labels.{images}"])
        torch.testing.assert_close(answers, one[name][f"answers.{images}"], rtol=1e-4, atol=1e-5)


class GroupedNorm(nn.Module):
    """Normalises each group of images of a large batch by the group's own statistics, by the formula."""

    def __init__(self, norm: nn.BatchNorm2d, size: int):
        super().__init__()
        self.weight, self.bias, self.eps, self.size = norm.weight, norm.bias, norm.eps, size
        self.running_mean, self.running_var = norm.running_mean, norm.running_var

    def forward(self, x: Tensor) -> Tensor:
        groups = x.unflatten(0, (-1, self.size))
        places, count = (1, 3, 4), self.size * x.shape[2] * x.shape[3]
        mean = groups.mean(places, keepdim=True)
        variance = (groups - mean).square().mean(places, keepdim=True)
        unbiased = variance.detach() * count / (count - 1)
        for running, new in ((self.running_mean, mean.detach()), (self.running_var, unbiased)):
            assert running is not None
            running.mul_(1 - MOMENTUM).add_(MOMENTUM * new.mean(0).flatten())
        normalised = ((groups - mean) / (variance + self.eps).sqrt()).flatten(0, 1)
        return normalised * self.weight[:, None, None] + self.bias[:, None, None]


def test_an_accumulated_batch_equals_the_large_one() -> None:
    """Gradients and running statistics of four ghost batches are those of one pass over the whole batch."""
    recipe = with_changes(
        named_recipe("paper"), FIFTY | {"steps": 1, "ghost_batch_size": 8, "weight_decay": 0.0}
    )
    setup, large = prepare(recipe), prepare(recipe)
    (batches,) = setup.batches.between(0, 1, setup.image_size_at)
    assert [len(batch.labels) for batch in batches] == [8] * 4
    with closing(setup.batches.feed(0, 1, setup.image_size_at)) as feed:
        TrainingStep(setup, setup.network.train(), feed).train(0)

    network = large.network.train()
    for module in list(network.modules()):
        for name, child in module.named_children():
            if isinstance(child, nn.BatchNorm2d):
                setattr(module, name, GroupedNorm(child, 8))
    images, labels = (torch.cat([getattr(b, kind) for b in batches]) for kind in ("images", "labels"))
    functional.cross_entropy(network(images), labels).backward()
    accumulated = setup.optimizer.state()
    for name, parameter in network.named_parameters():
        torch.testing.assert_close(
            accumulated[f"{name}.momentum_buffer"], parameter.grad, rtol=1e-9, atol=1e-12
        )
    norms = {name: module for name, module in network.named_modules() if isinstance(module, GroupedNorm)}
    assert norms
    for name, norm in norms.items():
        one = setup.network.get_submodule(name)
        torch.testing.assert_close(one.running_mean, norm.running_mean, rtol=1e-9, atol=1e-12)
        torch.testing.assert_close(one.running_var, norm.running_var, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    ("batch_size", "ghost_batch_size", "world_size", "named"),
    [
        (32, 64, 2, "ghost_batch_size 64 .* 16, .* 2, 4, 8, 16, none"),
        (36, 8, 3, "ghost_batch_size 8 .* 12, .* 2, 3, 4, 6, 12, none"),
        (4, 2, 4, "ghost_batch_size 2 .* 1, .* none"),
        (250, None, 4, "batch_size 250 .* 4 .* 248 .* 252"),
        (2, None, 4, "batch_size 2 .* 4 .* 4 "),
    ],
)
def test_sizes_that_do_not_fit_are_refused_with_those_that_do(
    batch_size: int, ghost_batch_size: int | None, world_size: int, named: str
) -> None:
    with pytest.raises(UsageError, match=named):
        check_shares(batch_size, ghost_batch_size, world_size)


@pytest.mark.parametrize(
    ("batch_size", "ghost_batch_size", "world_size"), [(32, 16, 2), (12, 3, 4), (4, None, 4)]
)
def test_sizes_that_fit_are_taken(batch_size: int, ghost_batch_size: int | None, world_size: int) -> None:
    check_shares(batch_size, ghost_batch_size, world_size)
