"""What the branches return and what their first weight layers take, against sums over hooked modules."""

from typing import Any

import pytest
import torch
import torchvision
from torch import Tensor, nn

import resunit
from resunit.inference.subjects import find_subject
from resunit.propagation import measure
from tests.propagation.blocks import WIDTH, PreLN, transformer
from tests.propagation.toy import known

IMAGES, LABELS = torch.randn(4, 3, 16, 16), torch.arange(4)


def seen(module: Any, run: Any, *, output: bool = False) -> Tensor:
    """Return what a module takes or returns while `run` is called."""
    found: list[Any] = []
    handle = module.register_forward_hook(lambda _, args, out: found.append(out if output else args[0]))
    run()
    handle.remove()
    return found[0].detach().double()


def check_input(junction: Any, taken: Tensor, channels: int) -> None:
    means = taken.movedim(channels, 0).flatten(1).mean(1)
    assert junction.weight_input_rms == pytest.approx(taken.square().mean().sqrt().item(), rel=1e-4)
    assert junction.weight_input_mean == pytest.approx(taken.mean().item(), rel=1e-4, abs=1e-6)
    assert junction.weight_input_spread == pytest.approx(means.std(correction=0).item(), rel=1e-3, abs=1e-6)


@pytest.mark.parametrize("design", ["original", "relu-only-preactivation", "full-preactivation"])
def test_the_first_convolution_of_each_branch(design: str) -> None:
    torch.manual_seed(0)
    model = resunit.create_model("resnet20", design=design)
    junctions = measure(model, IMAGES, LABELS).junctions
    for junction in junctions:
        unit: Any = model.get_submodule(junction.name)
        first = next(module for module in unit.branch.modules() if isinstance(module, nn.Conv2d))
        check_input(junction, seen(first, lambda: model(IMAGES)), 1)


def test_the_first_linear_layer_of_each_branch_of_a_transformer() -> None:
    torch.manual_seed(0)
    model = transformer(1, PreLN)
    tokens = torch.randn(2, 5, WIDTH)
    for junction, unit in zip(measure(model, tokens).junctions, model, strict=True):
        first = next(module for module in unit.modules() if isinstance(module, nn.Linear))
        check_input(junction, seen(first, lambda: model(tokens)), -1)


def test_a_bottleneck_of_torchvision() -> None:
    torch.manual_seed(0)
    model: Any = torchvision.models.resnet50(num_classes=4)
    images = torch.randn(2, 3, 64, 64)
    junctions = measure(model, images, torch.arange(2)).junctions
    check_input(junctions[1], seen(model.layer1[1].conv1, lambda: model(images)), 1)


def test_a_branch_without_a_weight_layer_has_no_such_input() -> None:
    class Scaling(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = nn.Parameter(torch.ones(8))

        def forward(self, x: Tensor) -> Tensor:
            return x + torch.tanh(nn.functional.layer_norm(x, (8,)) * self.scale)

    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = Scaling(), resunit.ResidualUnit(nn.Linear(8, 8))

        def forward(self, x: Tensor) -> Tensor:
            return self.b(self.a(x))

    for junction in measure(Two(), torch.randn(4, 8)).junctions:
        assert (junction.weight_input_rms is None) == (junction.name == "a")


@pytest.mark.full
@pytest.mark.parametrize(
    ("design", "smallest", "largest"),
    [
        ("original", 0.71, 5.09),
        ("relu-only-preactivation", 0.71, 4.26),
        ("full-preactivation", 0.69, 0.76),
    ],
)
def test_only_full_preactivation_normalises_what_every_weight_layer_takes(
    design: str, smallest: float, largest: float
) -> None:
    subject = find_subject("resnet110", design=design)
    result = measure(subject.model, subject.inputs, subject.targets)
    sizes = [known(junction.weight_input_rms) for junction in result.junctions]
    assert min(sizes) == pytest.approx(smallest, abs=0.01)
    assert max(sizes) == pytest.approx(largest, abs=0.03)
    is_normalised = any("takes is normalised" in sentence for sentence in result.findings)
    assert is_normalised == (design == "full-preactivation")


@pytest.mark.parametrize("design", ["original", "relu-before-addition"])
def test_the_sign_of_the_branch(design: str) -> None:
    torch.manual_seed(0)
    model = resunit.create_model("resnet20", design=design)
    result = measure(model, IMAGES, LABELS)
    for junction in result.junctions:
        unit: Any = model.get_submodule(junction.name)
        value = seen(unit.branch, lambda: model(IMAGES), output=True)
        assert junction.branch_minimum == pytest.approx(value.min().item(), rel=1e-4, abs=1e-6)
        assert junction.branch_negative_share == pytest.approx((value < 0).double().mean().item(), abs=1e-3)
    never_negative = design == "relu-before-addition"
    assert all((known(j.branch_minimum) >= 0) == never_negative for j in result.junctions)
    assert any("the stream can only grow" in sentence for sentence in result.findings) == never_negative
