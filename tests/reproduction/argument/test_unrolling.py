"""The sum and the product of the same layers, against matrices that are multiplied and added by hand."""

import math
from itertools import pairwise

import pytest
import torch
from torch import Tensor, nn

from resunit.models.residual_unit import ResidualUnit
from resunit.reproduction.argument.unrolling import copy_weight_layers, unroll

WIDTH, COUNT = 6, 5


def linear(matrix: Tensor) -> nn.Linear:
    layer = nn.Linear(WIDTH, WIDTH, bias=False).double()
    with torch.no_grad():
        layer.weight.copy_(matrix)
    return layer


def matrices() -> list[Tensor]:
    torch.manual_seed(0)
    return [torch.randn(WIDTH, WIDTH, dtype=torch.float64) / WIDTH for _ in range(COUNT)]


def test_a_sum_of_residuals_and_a_product_of_matrices() -> None:
    weights = matrices()
    x = torch.randn(3, WIDTH, dtype=torch.float64)
    found = unroll([linear(weight) for weight in weights], x)
    stream, plain, residuals = [x], [x], []
    for weight in weights:
        residuals.append(stream[-1] @ weight.T)
        stream.append(stream[-1] + residuals[-1])
        plain.append(plain[-1] @ weight.T)
    end = stream[-1]
    assert found.sum_gains == pytest.approx([(value.norm() / x.norm()).item() for value in stream[1:]])
    assert found.product_gains == pytest.approx([(value.norm() / x.norm()).item() for value in plain[1:]])
    assert found.residual_norms == pytest.approx([(f.norm() / end.norm()).item() for f in residuals])
    shares = [((f * end).sum() / (end * end).sum()).item() for f in residuals]
    assert found.residual_shares == pytest.approx(shares)
    assert found.start_share + sum(found.residual_shares) == pytest.approx(1, abs=1e-12)
    assert found.closure_error < 1e-14


@pytest.mark.parametrize("scale", [0.1, 1.0, 3.0])
def test_gradients_of_scaled_rotations(scale: float) -> None:
    """A rotation keeps every norm, so that c Q multiplies any gradient by c, and x + c x by 1 + c."""
    torch.manual_seed(0)
    rotations = [torch.linalg.qr(matrix).Q for matrix in matrices()]
    x = torch.randn(3, WIDTH)
    product = unroll([linear(scale * rotation) for rotation in rotations], x)
    powers = [scale ** (COUNT - number) for number in range(COUNT)]
    assert product.product_gradients == pytest.approx(powers)
    same = unroll([linear(scale * torch.eye(WIDTH)) for _ in range(COUNT)], x)
    assert same.sum_gradients == pytest.approx([(1 + scale) ** (COUNT - number) for number in range(COUNT)])


def test_small_weights_keep_the_gradient_of_the_sum_and_not_of_the_product() -> None:
    found = unroll([linear(0.01 * matrix) for matrix in matrices()], torch.randn(3, WIDTH))
    assert found.sum_gradients[0] == pytest.approx(1, abs=0.05)
    assert found.product_gradients[0] < 0.01**COUNT
    assert all(later > earlier for earlier, later in pairwise(found.product_gradients))


def test_layers_stay_as_they_are() -> None:
    layer = nn.Sequential(nn.BatchNorm1d(WIDTH), nn.Linear(WIDTH, WIDTH))
    before = {name: value.clone() for name, value in layer.state_dict().items()}
    unroll([layer], torch.randn(4, WIDTH))
    assert all(torch.equal(before[name], value) for name, value in layer.state_dict().items())
    assert all(parameter.grad is None for parameter in layer.parameters())


def test_weight_layers_are_those_of_the_branch_in_order_and_scaled() -> None:
    first, second = nn.Conv2d(2, 2, 3, padding=1, bias=False), nn.Conv2d(2, 2, 1, bias=False)
    unit = ResidualUnit(
        nn.Sequential(nn.BatchNorm2d(2), nn.ReLU(), first, nn.ReLU(), second), nn.Conv2d(2, 2, 1)
    )
    x = torch.randn(1, 2, 4, 4)
    alone = copy_weight_layers(unit, 0.5)(x)
    assert torch.allclose(alone, 0.25 * second(first(x)), atol=1e-6)
    assert math.isclose(
        unroll([copy_weight_layers(unit)], x).product_gains[0],
        (second(first(x)).norm() / x.norm()).item(),
        rel_tol=1e-5,
    )
