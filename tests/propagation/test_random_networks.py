"""Networks drawn at random have as many junctions as units, with the numbers of plain autograd."""

import pytest
import torch
from torch import Tensor

from resunit.propagation import measure
from tests.propagation.random_networks import SIZE, RandomNetwork

X = torch.randn(4, 6, SIZE, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
READ_OUT = torch.randn(4, 6, SIZE, generator=torch.Generator().manual_seed(1), dtype=torch.float64)

# An element of x counts as the same one wherever h moves it, so that lambda is no projection on x itself.
MOVING = ("rolled", "flipped", "shuffled", "dropout in evaluation")


def loss(output: Tensor, _: object) -> Tensor:
    return (output * READ_OUT).sum() + output.square().mean()


def check(seed: int) -> None:
    """Compare every measure of a random network with a computation by h, F and f themselves."""
    model = RandomNetwork(seed).double()
    units, drawn = model.units, model.described
    result = measure(model, X, loss=loss)
    assert len(result.junctions) == len(units), drawn
    assert result.unseen == (), drawn

    x, h, y = [model.stem(X.clone().requires_grad_())], [], []
    for unit in units:
        h.append(unit.shortcut(x[-1]))
        y.append(h[-1] + unit.branch(x[-1]))
        x.append(unit.after(unit.parts, y[-1]))
    gradients = torch.autograd.grad(loss(x[-1], None), [*x, *y], retain_graph=True)
    at_x, at_y = gradients[: len(x)], gradients[len(x) :]
    direct = at_x[-1]
    for number in reversed(range(len(units))):
        junction = result.junctions[number]
        (direct,) = torch.autograd.grad(x[number + 1], y[number], direct, retain_graph=True)
        (direct,) = torch.autograd.grad(h[number], x[number], direct, retain_graph=True)
        (own,) = torch.autograd.grad(h[number], x[number], at_y[number], retain_graph=True)
        branch, last = y[number] - h[number], at_y[-1].norm()
        right = {
            "direct_gain": direct.norm() / at_x[-1].norm(),
            "gradient_gain": at_x[number].norm() / last,
            "gradient_direct": own.norm() / last,
            "gradient_branch": (at_x[number] - own).norm() / last,
            "branch_share": branch.norm() / (branch.norm() + h[number].norm()),
        }
        moves = any(word in units[number].described for word in MOVING)
        if junction.effective_lambda is not None and not moves:
            right["effective_lambda"] = (h[number] * x[number]).sum() / x[number].square().sum()
        measured = {name: getattr(junction, name) for name in right}
        expected = {name: value.item() for name, value in right.items()}
        assert measured == pytest.approx(expected, rel=1e-4, abs=1e-9), f"{drawn}\nunit {number}"
        assert junction.stage == 1, drawn


@pytest.mark.parametrize("seed", range(15))
def test_a_random_network(seed: int) -> None:
    check(seed)


@pytest.mark.full
@pytest.mark.parametrize("first", range(15, 1015, 100))
def test_many_random_networks(first: int) -> None:
    for seed in range(first, first + 100):
        check(seed)
