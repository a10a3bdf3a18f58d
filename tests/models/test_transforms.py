"""Function transforms, forward-mode differentiation and dispatch modes see what they see in torch's own layers."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.autograd import forward_ad
from torch.func import functional_call, grad, jacfwd, jacrev, jvp, stack_module_state, vmap
from torch.utils._python_dispatch import TorchDispatchMode

from tests.models.plain_layers import NAMES, images, network, with_plain_layers

Measure = Callable[[nn.Module], Any]


def mapped(model: nn.Module) -> Tensor:
    return vmap(model)(torch.stack([images(), 2 * images()]))


def gradients_of_each_image(model: nn.Module) -> dict[str, Tensor]:
    def loss(parameters: dict[str, Tensor], image: Tensor) -> Tensor:
        return functional_call(model, parameters, (image[None],)).logsumexp(1).sum()

    return vmap(grad(loss), (None, 0))(dict(model.named_parameters()), images())


def tangent(model: nn.Module) -> Tensor:
    with forward_ad.dual_level():
        dual = model(forward_ad.make_dual(images(), torch.ones_like(images())))
        found = forward_ad.unpack_dual(dual).tangent
        assert found is not None
        return found.clone()


def tangent_without_graph(model: nn.Module) -> Tensor:
    with torch.no_grad():
        return tangent(model)


def tangent_of_weights(model: nn.Module) -> Tensor:
    weights = {name: p.detach() for name, p in model.named_parameters()}
    with torch.no_grad(), forward_ad.dual_level():
        duals = {name: forward_ad.make_dual(p, torch.ones_like(p)) for name, p in weights.items()}
        found = forward_ad.unpack_dual(functional_call(model, duals, (images(),))).tangent
        assert found is not None
        return found.clone()


def tangent_of_gradient(model: nn.Module) -> Tensor:
    """Along a direction that is chosen after the forward pass."""
    x = images().requires_grad_()
    y = model(x)
    with forward_ad.dual_level():
        direction = torch.arange(y.numel(), dtype=y.dtype).view_as(y)
        (found,) = torch.autograd.grad(y, x, forward_ad.make_dual(torch.ones_like(y), direction))
        found = forward_ad.unpack_dual(found).tangent
        assert found is not None
        return found.clone()


def many_gradients_at_once(model: nn.Module) -> Tensor:
    x = images().requires_grad_()
    directions = torch.eye(10)[:, None].expand(10, 3, 10)
    return torch.autograd.grad(model(x), x, directions, is_grads_batched=True)[0]


def slope(model: nn.Module) -> Tensor:
    x = images()
    return jacfwd(lambda scale: model(scale * x))(torch.tensor(1.0))


MEASURES: dict[str, Measure] = {
    "vmap": mapped,
    "jvp": lambda model: jvp(model, (images(),), (torch.ones_like(images()),)),
    "jacrev": lambda model: jacrev(model)(images(count=2)),
    "jacfwd": slope,
    "gradients of each image": gradients_of_each_image,
}
IN_TRAINING_TOO: dict[str, Measure] = {
    "forward-mode": tangent,
    "forward-mode without a graph": tangent_without_graph,
    "forward-mode of weights": tangent_of_weights,
    "forward-mode of a gradient": tangent_of_gradient,
    "many gradients at once": many_gradients_at_once,
}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("measure", MEASURES)
def test_function_transforms_find_torchs_layers(measure: str, name: str) -> None:
    model = network(name)
    expected, found = MEASURES[measure](with_plain_layers(model)), MEASURES[measure](model)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("training", [False, True], ids=["evaluation", "training"])
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("measure", IN_TRAINING_TOO)
def test_tangents_and_gradients_are_those_of_torchs_layers(measure: str, name: str, training: bool) -> None:
    model = network(name).train(training)
    plain = with_plain_layers(model)
    expected, found = IN_TRAINING_TOO[measure](plain), IN_TRAINING_TOO[measure](model)
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_an_ensemble_is_its_members_side_by_side(name: str) -> None:
    members = [network(name, seed=seed) for seed in range(3)]
    parameters, buffers = stack_module_state(members)  # pyright: ignore[reportArgumentType]
    base, x = network(name).to("meta"), images()

    def answer(parameters: dict[str, Tensor], buffers: dict[str, Tensor]) -> Tensor:
        return functional_call(base, (parameters, buffers), (x,))

    expected = torch.stack([with_plain_layers(member)(images()) for member in members])
    torch.testing.assert_close(vmap(answer)(parameters, buffers), expected, rtol=1e-4, atol=1e-5)


class Operators(TorchDispatchMode):
    """The names of all operators that are dispatched."""

    def __init__(self):
        super().__init__()
        self.names: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.names.append(str(func))
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("training", [False, True], ids=["evaluation", "training"])
@pytest.mark.parametrize("gradients", [False, True], ids=["without a graph", "with a graph"])
def test_dispatch_modes_see_every_norm_and_activation(gradients: bool, training: bool) -> None:
    model = network("preresnet20").train(training)
    seen = []
    for each in (with_plain_layers(model), model):
        with torch.set_grad_enabled(gradients), Operators() as operators:
            each(images())
        seen.append(operators.names)
    assert seen[1] == seen[0]
    assert sum("relu" in name for name in seen[1]) == 1 + 6
