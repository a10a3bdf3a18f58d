"""The direct term of networks that are not ours is the gradient of a pass whose branches are cut off by hand."""

from typing import Any

import pytest
import torch
import torchvision
from torch import Tensor
from torch.nn import functional

from resunit.propagation import measure
from tests.propagation.blocks import WIDTH, PostLN, transformer
from tests.propagation.written import Written


def norm(x: Tensor) -> float:
    return x.double().norm().item()


def gradient(of: Tensor, by: Tensor, arriving: Tensor) -> Tensor:
    (result,) = torch.autograd.grad(of, by, arriving)
    return result


def test_a_network_of_torchvision_against_a_forward_pass_with_detached_branches() -> None:
    torch.manual_seed(0)
    model = torchvision.models.resnet18(num_classes=4)
    images, labels = torch.randn(4, 3, 64, 64), torch.arange(4)
    result = measure(model, images, labels)

    def stem(x: Tensor) -> Tensor:
        return model.maxpool(model.relu(model.bn1(model.conv1(x))))

    def branch(block: Any, x: Tensor) -> Tensor:
        return block.bn2(block.conv2(torch.relu(block.bn1(block.conv1(x)))))

    entry = stem(images).detach().requires_grad_()
    end = model.layer1(entry)
    last = model.layer4(model.layer3(model.layer2(end)))
    loss = functional.cross_entropy(model.fc(last.mean((2, 3))), labels)
    (arriving,) = torch.autograd.grad(loss, end)
    x = entry
    for block in model.layer1.children():
        x = torch.relu(x + branch(block, x).detach())
    direct = gradient(x, entry, arriving)
    assert [junction.stage for junction in result.junctions[:3]] == [1, 1, 2]
    assert result.junctions[0].direct_gain == pytest.approx(norm(direct) / norm(arriving), rel=1e-3)
    assert result.junctions[0].shortcut_gain == pytest.approx(1, rel=1e-6)


def test_a_post_norm_transformer_against_a_forward_pass_with_detached_branches() -> None:
    torch.manual_seed(0)
    model = transformer(2, PostLN).double()
    tokens, weights = torch.randn(2, 2, 5, WIDTH, dtype=torch.float64)
    result = measure(model, tokens, loss=lambda output, _: (output * weights).sum())
    entry = tokens.clone().requires_grad_()
    x = entry
    for block in model.children():
        assert isinstance(block, PostLN)
        x = block.norm(x + block.branch(x).detach())
    direct = gradient(x, entry, weights)
    assert result.junctions[0].direct_gain == pytest.approx(norm(direct) / norm(weights), rel=1e-9)
    assert result.junctions[-1].f == ("layer_norm",)


def into_a_view(m: Written, x: Tensor) -> Tensor:
    y = m.layers[0](torch.tanh(x))
    y.mT.add_(m.scale * x.mT)
    return m.matrix[0].repeat(2) * y + torch.tanh(m.layers[1](y))


@pytest.mark.parametrize("shape", [(8, 8), (3, 8, 8)])
def test_sums_in_place_into_a_transposed_view_of_what_goes_on(shape: tuple[int, ...]) -> None:
    """The gradients of the view and of what it is a view of have equal shapes and other orders."""
    torch.manual_seed(0)
    model, x = Written(into_a_view), torch.randn(shape)
    result = measure(model, x)
    first, second = result.junctions
    y = ((model.scale * x.mT).mT + model.layers[0](torch.tanh(x))).detach().requires_grad_()
    z = model.matrix[0].repeat(2) * y + torch.tanh(model.layers[1](y))
    at_y, at_z = torch.autograd.grad(z.square().mean(), [y, z])
    direct_at_y = model.matrix[0].repeat(2) * at_z

    def through_first(at_sum: Tensor) -> Tensor:
        return (model.scale * at_sum.mT).mT

    assert second.direct_gain == pytest.approx(norm(direct_at_y) / norm(at_z), rel=1e-5)
    assert first.direct_gain == pytest.approx(norm(through_first(direct_at_y)) / norm(at_z), rel=1e-5)
    if len(shape) == 2:
        assert first.shortcut_gain == pytest.approx(first.direct_gain, rel=1e-6)
    else:  # A linear layer returns a view of its product, and torch does not show which one.
        assert first.shortcut_gain is None
    assert result.direct(0, 1) == pytest.approx(norm(through_first(at_y)) / norm(at_y), rel=1e-5)
    rest = at_y - direct_at_y
    ratios = (rest * direct_at_y).flatten(1).sum(1) / direct_at_y.square().flatten(1).sum(1)
    assert second.cancellation_min == pytest.approx(ratios.min().item(), rel=1e-4)


@pytest.mark.parametrize("shape", [(3, 5, 8), (3, 8, 8)])
def test_h_alone_where_the_stream_is_transposed_between_units(shape: tuple[int, ...]) -> None:
    def transposed_between(m: Written, x: Tensor) -> Tensor:
        y = (m.scale * x + torch.tanh(m.layers[0](x))).mT
        return y + torch.tanh(m.layers[1](y.mT)).mT

    torch.manual_seed(0)
    model, x, weights = Written(transposed_between), torch.randn(shape), torch.randn(shape).mT
    first, second = measure(model, x, loss=lambda output, _: (output * weights).sum()).junctions
    assert second.shortcut_gain == pytest.approx(1, rel=1e-6)
    expected = norm(model.scale * weights.mT) / norm(weights)
    assert first.shortcut_gain == pytest.approx(expected, rel=1e-5)
    assert first.direct_gain == pytest.approx(expected, rel=1e-5)


def test_a_sum_into_a_transposed_view_closes_equation_4_or_says_nothing() -> None:
    def identity_into_a_view(m: Written, x: Tensor) -> Tensor:
        y = m.layers[0](torch.tanh(x))
        y.mT.add_(x.mT)
        return y + torch.tanh(m.layers[1](y))

    junctions = measure(Written(identity_into_a_view), torch.randn(8, 8)).junctions
    assert all((junction.closure_error or 0) < 1e-6 for junction in junctions)
    assert all((junction.f_scale or 1) == pytest.approx(1, rel=1e-6) for junction in junctions)
