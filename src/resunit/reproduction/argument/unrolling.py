"""Sum and product: the same layers F as a residual net, x + F(x), and as a plain net, F(x)."""

import copy
import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from resunit.models.residual_unit import ResidualUnit


@dataclass(frozen=True)
class Unrolling:
    """Layers F_l, ..., F_{L-1} joined to a sum and to a product, from the same x_l.

    All norms are Euclidean over the whole batch. In the residual net x_{i+1} = x_i + F_i(x_i), Eq. (3), and in the
    plain net x_{i+1} = F_i(x_i). Gains of gradients go from a random gradient at x_L back to each x_i.

    Attributes:
        start_share: <x_l, x_L> / <x_L, x_L>, the share of x_L that is x_l, in the residual net.
        residual_norms: ||F_i(x_i)|| / ||x_L||, the terms of Eq. (4).
        residual_shares: <F_i(x_i), x_L> / <x_L, x_L>; with `start_share` they add up to 1.
        closure_error: ||x_L - (x_l + F_l + ... + F_{L-1})|| / ||x_L||, Eq. (4).
        sum_gains: ||x_i|| / ||x_l|| behind each layer of the residual net.
        product_gains: the same in the plain net.
        sum_gradients: ||dE/dx_i|| / ||dE/dx_L|| before each layer of the residual net.
        product_gradients: the same in the plain net.
    """

    start_share: float
    residual_norms: tuple[float, ...]
    residual_shares: tuple[float, ...]
    closure_error: float
    sum_gains: tuple[float, ...]
    product_gains: tuple[float, ...]
    sum_gradients: tuple[float, ...]
    product_gradients: tuple[float, ...]


def unroll(layers: Sequence[nn.Module], x: Tensor) -> Unrolling:
    """Compute both nets of `layers` on the batch `x`, in double precision.

    Args:
        layers: modules F_l, ..., F_{L-1} that keep the shape of x. They are copied and stay as they are.
        x: the batch x_l.
    """
    layers = [copy.deepcopy(layer).double() for layer in layers]
    start = x.detach().double().requires_grad_()
    residuals, stream = [], [start]
    for layer in layers:
        residuals.append(layer(stream[-1]))
        stream.append(stream[-1] + residuals[-1])
    plain = list(itertools.accumulate(layers, lambda value, layer: layer(value), initial=start))
    end = stream[-1].detach()
    energy = _dot(end, end)
    arriving = torch.randn(end.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    arriving = arriving.to(end.device)
    total = start.detach() + torch.stack([residual.detach() for residual in residuals]).sum(0)
    return Unrolling(
        start_share=_dot(start, end) / energy,
        residual_norms=tuple(_norm(residual) / _norm(end) for residual in residuals),
        residual_shares=tuple(_dot(residual, end) / energy for residual in residuals),
        closure_error=_norm(end - total) / _norm(end),
        sum_gains=_gains(stream),
        product_gains=_gains(plain),
        sum_gradients=_gradients(stream, arriving),
        product_gradients=_gradients(plain, arriving),
    )


def copy_weight_layers(unit: ResidualUnit, scale: float = 1.0) -> nn.Sequential:
    """Return the weight layers of a unit's branch alone, in order, with their weights times `scale`.

    Section 2 speaks of a product of matrices and leaves norm and ReLU apart, as this does.
    """
    found = [layer for layer in unit.branch.modules() if isinstance(layer, nn.Conv2d | nn.Linear)]
    layers = nn.Sequential(*(copy.deepcopy(layer) for layer in found))
    with torch.no_grad():
        for weight in layers.parameters():
            weight.mul_(scale)
    return layers


def _gains(values: Sequence[Tensor]) -> tuple[float, ...]:
    return tuple(_norm(value) / _norm(values[0]) for value in values[1:])


def _gradients(values: Sequence[Tensor], arriving: Tensor) -> tuple[float, ...]:
    gradients = torch.autograd.grad(values[-1], values[:-1], arriving, retain_graph=True)
    return tuple(_norm(gradient) / _norm(arriving) for gradient in gradients)


def _norm(value: Tensor) -> float:
    return value.detach().norm().item()


def _dot(a: Tensor, b: Tensor) -> float:
    return (a.detach() * b.detach()).sum().item()
