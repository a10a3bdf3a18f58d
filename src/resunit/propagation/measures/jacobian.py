"""How much a junction can stretch its input: the largest singular value of dy_l / dx_l."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import GradientEdge, get_gradient_edge
from torch.nn.attention import SDPBackend, sdpa_kernel

from resunit.propagation.detect.sites import Crossings, Site
from resunit.propagation.detect.watching import Place, Watch, tensors_in
from resunit.propagation.measures.passes import Inputs, run
from resunit.propagation.measures.state import differentiable, preserved

TOLERANCE = 1e-4  # of the squared singular value: its distance to an eigenvalue of J^T J
MOST_ITERATIONS = 200


def singular_values(model: nn.Module, inputs: Any, sites: tuple[Site, ...]) -> list[float | None]:
    """The largest singular value of the Jacobian of y_l = h(x_l) + F(x_l), whole batch in, whole batch out.

    By power iteration on J^T J, in Lanczos's form: J^T u is a gradient, and J v the gradient of that by u.
    None where x_l was not seen, or where an operation on the way has no second derivative.
    """
    with preserved(model), torch.enable_grad():
        differentiable(model)
        passed = _Passed(sites)
        # Attention's fused kernels have no second derivatives.
        with sdpa_kernel(SDPBackend.MATH), Watch(model, passed.on_function, passed.on_passage):
            output = run(model, Inputs.of(inputs))
        values = [passed.singular_value(number) for number in range(len(sites))]
        del output
    return values


class _Passed:
    """The edges of x_l and y_l of each site in one pass."""

    def __init__(self, sites: tuple[Site, ...]):
        self.sites = sites
        self.crossings = Crossings(sites)
        self.captures = {site.x.place: [] for site in sites if site.x is not None}
        for number, site in enumerate(sites):
            if site.x is not None:
                self.captures[site.x.place].append((site.x.position, number))
        self.x: dict[int, GradientEdge] = {}
        self.y: dict[int, tuple[GradientEdge, Tensor]] = {}

    def on_function(self, place: Place, func: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        crossing = self.crossings.met(place, args, kwargs)
        if crossing is not None and self.sites[crossing.number].x_is_term:
            self.x[crossing.number] = get_gradient_edge(crossing.shortcut.inputs[0])
        result = func(*args, **kwargs)
        if crossing is not None:
            like = torch.empty_like(result, requires_grad=False)
            self.y[crossing.number] = get_gradient_edge(result), like
        self.on_passage(place, result)
        return result

    def on_passage(self, place: Place, value: Any) -> None:
        if place in self.captures:
            tensors = list(tensors_in(value))
            for position, number in self.captures[place]:
                if position < len(tensors) and tensors[position].requires_grad:
                    self.x[number] = get_gradient_edge(tensors[position])

    def singular_value(self, number: int) -> float | None:
        if number not in self.x or number not in self.y:
            return None
        (y, like), x = self.y[number], self.x[number]
        u = torch.zeros_like(like, requires_grad=True)
        try:
            (transposed,) = torch.autograd.grad([y], [x], [u], create_graph=True)  # J^T u, linear in u
            return _lanczos(transposed, u, y, x)
        except (RuntimeError, NotImplementedError):
            return None


def _lanczos(transposed: Tensor, u: Tensor, y: GradientEdge, x: GradientEdge) -> float:
    """Power iteration that reads the largest eigenvalue off all its steps, not off the last alone.

    In the basis v_1, v_2, ... of the steps J^T J is tridiagonal.
    """
    generator = torch.Generator(transposed.device).manual_seed(0)
    v = torch.randn(transposed.shape, generator=generator, device=transposed.device, dtype=transposed.dtype)
    v, before = v / v.norm(), torch.zeros_like(v)
    diagonal: list[float] = []
    beside: list[float] = []
    value = 0.0
    for _ in range(MOST_ITERATIONS):
        (stretched,) = torch.autograd.grad(transposed, u, v, retain_graph=True)  # J v
        (after,) = torch.autograd.grad([y], [x], [stretched], retain_graph=True)  # J^T J v
        diagonal.append(stretched.norm().item() ** 2)
        after = after - diagonal[-1] * v - (beside[-1] if beside else 0.0) * before
        length = after.norm().item()
        value, last = _largest_eigenvalue(diagonal, beside)
        if length * abs(last) <= TOLERANCE * value:  # bounds the distance to an eigenvalue
            break
        beside.append(length)
        v, before = after / length, v
    return max(0.0, value) ** 0.5


def _largest_eigenvalue(diagonal: list[float], beside: list[float]) -> tuple[float, float]:
    """Of the tridiagonal matrix; and the last number of its eigenvector."""
    numbers = torch.tensor(diagonal, dtype=torch.float64), torch.tensor(beside, dtype=torch.float64)
    matrix = numbers[0].diag() + numbers[1].diag(1) + numbers[1].diag(-1)
    eigenvalues, eigenvectors = torch.linalg.eigh(matrix)
    return eigenvalues[-1].item(), eigenvectors[-1, -1].item()
