"""Measuring streams that mix, as in hyper-connections.

The streams X have the shape (..., n, C). A branch reads from the n streams and writes to them:

    X_{l+1} = M X_l + w F(r X_l)        M: (n, n) mixes, w: (n,) writes, r: (n,) reads

Eq. (3) is the case of one stream with M = 1. Eqs. (7)-(8) state what the product of lambda leaves of the
direct path; here the product of the matrices M takes its place. Each design stores M, w and F(r X) in its own
way, so the caller gives an adapter that returns them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from resunit.errors import PropagationError
from resunit.io.format import format_share, to_two_digits
from resunit.propagation.forward.checks import check_measurable
from resunit.propagation.forward.inputs import Inputs, run_forward
from resunit.propagation.forward.state import preserved_state

LARGEST_CLOSURE_ERROR = 1e-3  # up to which the equation holds, in low precision too


@dataclass(frozen=True)
class MixingStep:
    """The tensors of one module that mixes streams.

    Attributes:
        before: the streams X_l, (..., n, C).
        after: the streams X_{l+1}, (..., n, C).
        matrix: M, (n, n), or (..., n, n) if it depends on the inputs.
        write: w, (n,), or (..., n) if it depends on the inputs.
        branch: F(r X_l), (..., C).
    """

    before: Tensor
    after: Tensor
    matrix: Tensor
    write: Tensor
    branch: Tensor


@dataclass(frozen=True)
class Mixing:
    """How one module mixes the streams.

    If M depends on the inputs, each sum is the largest over batch and positions.

    Attributes:
        name: the module.
        matrix: M, averaged over batch and positions.
        row_sum: the largest sum of |M| along a row: the factor by which a stream can grow, forward.
        column_sum: the largest sum of |M| along a column: the factor by which a gradient can grow, backward.
        singular_values: the singular values of `matrix`, largest first. If all are 1, everything is passed
            on.
        product_row_sum: the largest row sum of the product of all M up to this one.
        product_column_sum: the largest column sum of the product of all M up to this one.
        closure_error: ||after - (M before + w F)|| / ||after||.
        transposed: whether the equation holds with M transposed, and not with M. Equal streams cannot show
            the difference.
    """

    name: str
    matrix: tuple[tuple[float, ...], ...]
    row_sum: float
    column_sum: float
    singular_values: tuple[float, ...]
    product_row_sum: float
    product_column_sum: float
    closure_error: float
    transposed: bool

    @property
    def finding(self) -> str:
        """A sentence about what matters most in this module."""
        if self.transposed:
            return f"{self.name}: its equation closes with the mixing matrix transposed, not as it is given"
        if self.closure_error > LARGEST_CLOSURE_ERROR:
            return (
                f"{self.name}: its streams differ by {format_share(self.closure_error)} from M X + w F; "
                "something else takes part"
            )
        return (
            f"{self.name}: of the first streams the product of all mixing so far passes on at most "
            f"{to_two_digits(self.product_row_sum)} times forward, "
            f"{to_two_digits(self.product_column_sum)} times backward"
        )


# It is given a module, its arguments and its output; it returns None for a module that mixes nothing.
Adapter = Callable[[nn.Module, tuple[Any, ...], Any], MixingStep | None]


def measure_mixing(model: nn.Module, inputs: Any, adapter: Adapter) -> tuple[Mixing, ...]:
    """Measure, in one forward pass, every module that mixes streams; `model` is left exactly as it was.

    Args:
        model: the network.
        inputs: a tensor, a tuple or list of arguments, or a mapping of keyword arguments.
        adapter: a function that returns the `MixingStep` of a module, or None for a module that mixes
            nothing. It is given the module, its positional arguments and its output.

    Returns:
        The mixing of each module, in the order of the forward pass.

    Raises:
        PropagationError: the adapter knows no module of the model, or `measure` would refuse the model.
    """
    check_measurable(model, inputs)
    steps: list[tuple[str, MixingStep]] = []
    names = {module: path for path, module in model.named_modules()}

    def collect(module: nn.Module, args: tuple[Any, ...], output: Any) -> None:
        step = adapter(module, args, output)
        if step is not None:
            steps.append((names[module] or "(model)", step))

    handles = [module.register_forward_hook(collect) for module in names]
    try:
        with preserved_state(model), torch.no_grad():
            run_forward(model, Inputs.of(inputs))
            return tuple(_mixings(steps))
    finally:
        for handle in handles:
            handle.remove()


def _mixings(steps: Sequence[tuple[str, MixingStep]]) -> list[Mixing]:
    if not steps:
        raise PropagationError(
            "the adapter knows none of the model's modules; it returned None for each; "
            "return a MixingStep for those that mix streams"
        )
    product: Tensor | None = None
    mixings = []
    for name, step in steps:
        matrix = step.matrix.double()
        product = matrix if product is None else matrix @ product
        mean = matrix.flatten(0, -3).mean(0) if matrix.ndim > 2 else matrix
        closure = _closure_error(step, matrix)
        mixings.append(
            Mixing(
                name=name,
                matrix=tuple(map(tuple, mean.tolist())),
                row_sum=_largest_sum(matrix, -1),
                column_sum=_largest_sum(matrix, -2),
                singular_values=tuple(torch.linalg.svdvals(mean).tolist()),
                product_row_sum=_largest_sum(product, -1),
                product_column_sum=_largest_sum(product, -2),
                closure_error=closure,
                transposed=_closes_transposed(step, matrix, closure),
            )
        )
    return mixings


def _closes_transposed(step: MixingStep, matrix: Tensor, closure: float) -> bool:
    """Return whether the equation holds with M transposed, and not with M."""
    if closure <= LARGEST_CLOSURE_ERROR:
        return False
    return _closure_error(step, matrix.mT) < min(LARGEST_CLOSURE_ERROR, closure)


def _largest_sum(matrix: Tensor, dim: int) -> float:
    return matrix.abs().sum(dim).max().item()


def _closure_error(step: MixingStep, matrix: Tensor) -> float:
    before, after, branch = step.before.double(), step.after.double(), step.branch.double()
    expected = matrix @ before + step.write.double()[..., :, None] * branch[..., None, :]
    return ((after - expected).norm() / after.norm()).item()
