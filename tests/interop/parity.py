"""The same weights give the same logits before and after a conversion, and come back unchanged."""

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from resunit.interop.library import Architecture
from resunit.interop.mapping import from_ours, to_ours
from resunit.interop.registry import find_architecture, find_library
from resunit.models.network import ResidualNetwork, build

RELATIVE = 1e-4


def draw(module: nn.Module) -> None:
    """Draw statistics, gammas of both signs and biases at random: at their first values, mistakes would not show."""
    norms = [layer for layer in module.modules() if isinstance(layer, nn.BatchNorm2d)]
    for norm in norms:
        assert norm.running_mean is not None
        assert norm.running_var is not None
        nn.init.uniform_(norm.running_var, 0.5, 1.5)
        for tensor in (norm.bias, norm.running_mean):
            nn.init.uniform_(tensor, -0.5, 0.5)
        nn.init.uniform_(norm.weight, 0.5, 1.5)
        with torch.no_grad():
            norm.weight.mul_(torch.where(torch.rand(norm.weight.shape) < 0.2, -1, 1) * gain(len(norms)))
    for layer in module.modules():
        if isinstance(layer, nn.Linear):
            nn.init.uniform_(layer.bias, -0.5, 0.5)


def gain(norms: int) -> float:
    """Return a factor for gammas with which the activations of a network of so many norms stay finite."""
    return min(1, 4 / math.sqrt(norms))


def converted(state: Mapping[str, Tensor], library: str, architecture: str | Architecture) -> ResidualNetwork:
    """Return our network with the weights of `state`, in evaluation mode, after a way back that changes nothing."""
    chosen = find_library(library)
    if isinstance(architecture, str):
        architecture = find_architecture(chosen, architecture)
    spec, tensors = to_ours(state, chosen, architecture)
    with torch.device("meta"):
        network = build(spec)
    network.load_state_dict(tensors, assign=True)
    network.eval()
    returned = from_ours(network, spec, chosen, chosen.fit(architecture, chosen.rename(state)))
    if not architecture.conventions.convolution_biases:  # A bias stays where it went, in the running mean.
        renamed = chosen.rename(state)
        assert returned.keys() == renamed.keys()
        for name, tensor in renamed.items():
            assert_close(returned[name], tensor, name)
    return network


def assert_close(found: Tensor, expected: Tensor, what: str = "") -> None:
    """Assert that two tensors agree to a relative 1e-4 of the largest number."""
    if not expected.is_floating_point():
        assert found.equal(expected), what
        return
    limit = RELATIVE * float(expected.abs().max())
    torch.testing.assert_close(found, expected, rtol=RELATIVE, atol=limit, msg=lambda text: f"{what}: {text}")


def assert_parity(theirs: nn.Module, library: str, architecture: str, side: int) -> None:
    """Assert that a network of another library, with random weights and norms, gives the same logits as ours."""
    torch.manual_seed(0)
    draw(theirs.eval())
    ours = converted(theirs.state_dict(), library, architecture)
    images = torch.randn(2, 3, side, side)
    with torch.no_grad():
        expected = getattr(theirs(images), "logits", None)
        if expected is None:
            expected = theirs(images)
        assert expected.std() > 1e-3
        assert_close(ours(images), expected, architecture)
