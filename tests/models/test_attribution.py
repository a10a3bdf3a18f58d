"""Captum's rules for activations and norms apply to a network as they do to torch's own layers."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from captum.attr import (
    Deconvolution,
    DeepLift,
    DeepLiftShap,
    GuidedBackprop,
    IntegratedGradients,
    LayerDeepLift,
    LayerGradCam,
    Saliency,
)
from torch import Tensor, nn

from resunit import create_model
from resunit.models.network import ResidualNetwork
from tests.models.parts import draw_norms
from tests.models.plain_layers import LAYOUTS, NAMES, images, network, with_plain_layers

pytestmark = pytest.mark.filterwarnings(
    "ignore::UserWarning:captum"
)  # It says that it sets hooks and gradients.


def stages(model: nn.Module) -> nn.Module:
    return model.get_submodule("stages.1")


ATTRIBUTIONS: dict[str, Callable[[nn.Module, Tensor], Any]] = {
    "GuidedBackprop": lambda model, x: GuidedBackprop(model).attribute(x, target=1),
    "Deconvolution": lambda model, x: Deconvolution(model).attribute(x, target=1),
    "DeepLift": lambda model, x: DeepLift(model).attribute(x, 0 * x, target=1),
    "DeepLiftShap": lambda model, x: DeepLiftShap(model).attribute(x, torch.cat([0 * x, -x]), target=1),
    "LayerDeepLift": lambda model, x: LayerDeepLift(model, stages(model)).attribute(x, 0 * x, target=1),
    "LayerGradCam": lambda model, x: LayerGradCam(model, stages(model)).attribute(x, target=1),
    "IntegratedGradients": lambda model, x: IntegratedGradients(model).attribute(x, target=1, n_steps=4),
    "Saliency": lambda model, x: Saliency(model).attribute(x, target=1),
}


@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("method", ATTRIBUTIONS)
def test_an_attribution_is_that_of_torchs_layers(method: str, name: str, layout: torch.memory_format) -> None:
    model = network(name, layout)
    expected = ATTRIBUTIONS[method](with_plain_layers(model), images(layout))
    found = ATTRIBUTIONS[method](model, images(layout))
    assert expected.abs().max() > 1e-3
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_guided_backpropagation_is_no_plain_gradient(name: str) -> None:
    model = network(name)
    guided = GuidedBackprop(model).attribute(images(), target=1)
    plain = Saliency(model).attribute(images(), target=1, abs=False)
    assert (guided - plain).norm() > 0.1 * plain.norm()


def complete(model: ResidualNetwork, x: Tensor) -> None:
    """Assert that DeepLift's attributions add up to the changes of the logit: to 1e-4, in float64 to 1e-10.

    The logit of one image may change by almost nothing, so float32 is compared over the batch.
    """
    missing, change = missing_attribution(model, x)
    assert missing.norm() <= 1e-4 * change.norm()
    missing, change = missing_attribution(model.double(), x.double())
    assert (missing.abs() <= 1e-10 * change.abs()).all()


def missing_attribution(model: ResidualNetwork, x: Tensor) -> tuple[Tensor, Tensor]:
    """Return what DeepLift's attributions lack of the change of the logit, and the change, for each image."""
    baseline = torch.zeros_like(x)
    attributions = DeepLift(model).attribute(x, baseline, target=1)
    with torch.no_grad():
        change = (model(x) - model(baseline))[:, 1]
    return attributions.sum((1, 2, 3)) - change, change


@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
@pytest.mark.parametrize("name", NAMES)
def test_deeplift_is_complete(name: str, layout: torch.memory_format) -> None:
    complete(network(name, layout), images(layout))


@pytest.mark.full
@pytest.mark.parametrize("name", ["preresnet110", "preresnet164", "resnet56", "preresnet18"])
def test_deeplift_is_complete_in_the_papers_networks(name: str) -> None:
    torch.manual_seed(0)
    model = create_model(name)
    draw_norms(model)
    complete(model.eval(), torch.randn(2, 3, 32, 32))
