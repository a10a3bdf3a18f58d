"""The largest singular value of dy_l / dx_l: by how much a junction can stretch a change of its input."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import GradientEdge, get_gradient_edge
from torch.nn.attention import SDPBackend, sdpa_kernel

from resunit.propagation.detect.found_junction import Detection, FoundJunction
from resunit.propagation.forward.call_tracing import CallSite, CallTracer
from resunit.propagation.forward.inputs import Inputs, run_forward
from resunit.propagation.forward.nested import tensors_in
from resunit.propagation.forward.state import preserved_state, require_gradients
from resunit.propagation.measures.junction_calls import JunctionCalls

RELATIVE_TOLERANCE = 1e-4  # of the squared singular value: its distance to an eigenvalue of J^T J
MAX_ITERATIONS = 200


def singular_values(model: nn.Module, inputs: Any, detection: Detection) -> list[float | None]:
    """Return, for each junction, the largest singular value of the Jacobian J of y_l = h(x_l) + F(x_l).

    J maps a change of the whole batch to a change of the whole batch. The method is power iteration on J^T J
    in the form of Lanczos. J^T u is a gradient, and J v is the gradient of J^T u by u. The value is None if
    x_l was not seen, or if an operation in between has no second derivative.
    """
    with preserved_state(model), torch.enable_grad():
        require_gradients(model)
        edges = _JunctionEdges(detection.junctions)
        # The fused kernels of attention have no second derivatives.
        with (
            sdpa_kernel(SDPBackend.MATH),
            CallTracer(
                model, edges.on_call, edges.on_module_boundary, detection.begins_at, detection.expanded
            ),
        ):
            output = run_forward(model, Inputs.of(inputs))
        values = [edges.singular_value(number) for number in range(len(detection.junctions))]
        del output
    return values


class _JunctionEdges:
    """The edges of x_l and y_l of each junction in one pass."""

    def __init__(self, junctions: Sequence[FoundJunction]):
        self.junctions = junctions
        self.calls = JunctionCalls(junctions)
        self.inputs_at: dict[
            CallSite, list[tuple[int, int]]
        ] = {}  # index of the tensor, number of the junction
        for number, junction in enumerate(junctions):
            if junction.x is not None:
                self.inputs_at.setdefault(junction.x.call, []).append((junction.x.position, number))
        self.x: dict[int, GradientEdge] = {}
        self.y: dict[int, tuple[GradientEdge, Tensor]] = {}

    def on_call(self, site: CallSite, function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        call = self.calls.recognise(site, args, kwargs)
        if call is not None and self.junctions[call.number].x_is_addend:
            self.x[call.number] = get_gradient_edge(call.shortcut[0])
        result = function(*args, **kwargs)
        if call is not None:
            like = torch.empty_like(result, requires_grad=False)
            self.y[call.number] = get_gradient_edge(result), like
        self.on_module_boundary(site, result)
        return result

    def on_module_boundary(self, site: CallSite, value: Any) -> None:
        if site in self.inputs_at:
            tensors = list(tensors_in(value))
            for index, number in self.inputs_at[site]:
                if index < len(tensors) and tensors[index].requires_grad:
                    self.x[number] = get_gradient_edge(tensors[index])

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
    """Return the largest singular value of J.

    Plain power iteration would use its last step alone; Lanczos uses all steps. In the basis of the steps
    v_1, v_2, ... the matrix J^T J is tridiagonal.
    """
    generator = torch.Generator(transposed.device).manual_seed(0)
    v = torch.randn(transposed.shape, generator=generator, device=transposed.device, dtype=transposed.dtype)
    v, before = v / v.norm(), torch.zeros_like(v)
    diagonal: list[float] = []
    off_diagonal: list[float] = []
    value = 0.0
    for _ in range(MAX_ITERATIONS):
        (stretched,) = torch.autograd.grad(transposed, u, v, retain_graph=True)  # J v
        (after,) = torch.autograd.grad([y], [x], [stretched], retain_graph=True)  # J^T J v
        diagonal.append(stretched.norm().item() ** 2)
        after = after - diagonal[-1] * v - (off_diagonal[-1] if off_diagonal else 0.0) * before
        length = after.norm().item()
        value, last = _largest_eigenvalue(diagonal, off_diagonal)
        if length * abs(last) <= RELATIVE_TOLERANCE * value:  # The left side bounds the distance.
            break
        off_diagonal.append(length)
        v, before = after / length, v
    return max(0.0, value) ** 0.5


def _largest_eigenvalue(diagonal: list[float], off_diagonal: list[float]) -> tuple[float, float]:
    """Return the largest eigenvalue of a tridiagonal matrix, and the last entry of its eigenvector."""
    on, off = torch.tensor(diagonal, dtype=torch.float64), torch.tensor(off_diagonal, dtype=torch.float64)
    eigenvalues, eigenvectors = torch.linalg.eigh(on.diag() + off.diag(1) + off.diag(-1))
    return eigenvalues[-1].item(), eigenvectors[-1, -1].item()
