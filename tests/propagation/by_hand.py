"""The measures of a chain of units, from plain autograd and the units' own h, F and f."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import pytest
import torch
from torch import Tensor

from resunit.propagation.junction import Junction

Function = Callable[[Tensor], Tensor]


class Unit(NamedTuple):
    """A unit f(h(x) + F(x))."""

    h: Function
    F: Function
    f: Function = lambda y: y


def check_chain(
    junctions: Sequence[Junction],
    units: Sequence[Unit],
    entry: Tensor,
    loss: Function,
    *,
    with_lambda: bool = True,
    rel: float = 1e-6,
) -> None:
    """Compare measured junctions with a computation by the units, one after the other, of one stage.

    Args:
        junctions: the measured junctions, in the order of the units.
        units: the units.
        entry: the value that the first unit takes; it requires gradients.
        loss: E as a function of the value that leaves the last unit.
        with_lambda: whether lambda is compared, which some spellings do not show.
        rel: the relative tolerance.
    """
    assert len(junctions) == len(units)
    x, h, branches, y = [entry], [], [], []
    for unit in units:
        h.append(unit.h(x[-1]))
        branches.append(unit.F(x[-1]))
        y.append(h[-1] + branches[-1])
        x.append(unit.f(y[-1]))
    gradients = torch.autograd.grad(loss(x[-1]), [*x, *y], retain_graph=True)
    at_x, at_y = gradients[: len(x)], gradients[len(x) :]
    last, end = at_y[-1].norm(), at_x[-1].norm()

    def through(of: Tensor, by: Tensor, gradient: Tensor) -> Tensor:
        (product,) = torch.autograd.grad(of, by, gradient, retain_graph=True)
        return product

    direct = at_x[-1]
    for number in reversed(range(len(units))):
        direct = through(x[number + 1], y[number], direct)
        direct = through(h[number], x[number], direct)
        right = {
            "direct_gain": direct.norm() / end,
            "gradient_gain": at_x[number].norm() / last,
            "gradient_direct": through(h[number], x[number], at_y[number]).norm() / last,
            "gradient_branch": through(branches[number], x[number], at_y[number]).norm() / last,
            "branch_share": branches[number].norm() / (branches[number].norm() + h[number].norm()),
            "branch_minimum": branches[number].min(),
        }
        if with_lambda:
            right["effective_lambda"] = (h[number] * x[number]).sum() / x[number].square().sum()
        measured = {name: getattr(junctions[number], name) for name in right}
        expected = {name: value.item() for name, value in right.items()}
        assert measured == pytest.approx(expected, rel=rel, abs=1e-12), f"junction {number}"
