"""Streams that mix (hyper-connections): n streams X, (..., n, C), that a branch reads from and writes to.

    X_{l+1} = M X_l + w F(r X_l)        M: (n, n) mixes, w: (n,) writes

In Eq. (3) there is one stream and M = 1. What Eqs. (7)-(8) say of the product of lambda holds of the product
of the M: it is what is left of the direct path. Where they are stored is a design's own affair, so an adapter
says it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from resunit.errors import PropagationError
from resunit.io.format import share_in_percent, two_digits
from resunit.propagation.measures.passes import Inputs, check, run
from resunit.propagation.measures.state import preserved

CLOSED = 1e-3  # closure error below which an equation holds, low precision included


@dataclass(frozen=True)
class MixingStep:
    """A module's streams before and after, (..., n, C); M, (..., n, n); w, (..., n); F's value, (..., C)."""

    before: Tensor
    after: Tensor
    matrix: Tensor
    write: Tensor
    branch: Tensor


@dataclass(frozen=True)
class Mixing:
    """How one module mixes; the largest over batch and positions where M depends on them.

    Attributes:
        name: the module.
        matrix: M, averaged over batch and positions.
        row_sum: the largest sum of |M| along a row: how much a stream can grow, forward.
        column_sum: the largest sum along a column: how much a gradient can grow, backward.
        singular_values: of `matrix`, largest first. 1, ..., 1 passes everything on.
        product_row_sum, product_column_sum: the same of the product of all M up to this one.
        closure_error: ||after - (M before + w F)|| / ||after||.
        transposed: it closes with M transposed, but not with M (equal streams cannot tell them apart).
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
        """What matters about it, in a sentence."""
        if self.transposed:
            return f"{self.name}: its equation closes with the mixing matrix transposed, not as it is given"
        if self.closure_error > CLOSED:
            return (
                f"{self.name}: its streams differ by {share_in_percent(self.closure_error)} from M X + w F; "
                "something else takes part"
            )
        return (
            f"{self.name}: of the first streams the product of all mixing so far passes on at most "
            f"{two_digits(self.product_row_sum)} times forward, {two_digits(self.product_column_sum)} times backward"
        )


# From a module, the arguments it was called with and what it returned: its step, or None if it mixes nothing.
Adapter = Callable[[nn.Module, tuple[Any, ...], Any], MixingStep | None]


def measure_mixing(model: nn.Module, inputs: Any, adapter: Adapter) -> tuple[Mixing, ...]:
    """The mixing of every module that `adapter` knows, in one forward pass that leaves `model` as it was.

    Raises PropagationError if it knows none, or for what `measure` refuses as well.
    """
    check(model, inputs)
    found: list[tuple[str, MixingStep]] = []
    names = {module: path for path, module in model.named_modules()}

    def see(module: nn.Module, args: tuple[Any, ...], output: Any) -> None:
        step = adapter(module, args, output)
        if step is not None:
            found.append((names[module] or "(model)", step))

    handles = [module.register_forward_hook(see) for module in names]
    try:
        with preserved(model), torch.no_grad():
            run(model, Inputs.of(inputs))
            return tuple(_mixings(found))
    finally:
        for handle in handles:
            handle.remove()


def _mixings(steps: Sequence[tuple[str, MixingStep]]) -> list[Mixing]:
    if not steps:
        raise PropagationError("the adapter knows none of the model's modules; it returned None for each")
    product: Tensor | None = None
    mixings = []
    for name, step in steps:
        matrix = step.matrix.double()
        product = matrix if product is None else matrix @ product
        mean = matrix.flatten(0, -3).mean(0) if matrix.ndim > 2 else matrix
        closure = _closure(step, matrix)
        mixings.append(
            Mixing(
                name=name,
                matrix=tuple(map(tuple, mean.tolist())),
                row_sum=_largest(matrix, -1),
                column_sum=_largest(matrix, -2),
                singular_values=tuple(torch.linalg.svdvals(mean).tolist()),
                product_row_sum=_largest(product, -1),
                product_column_sum=_largest(product, -2),
                closure_error=closure,
                transposed=closure > CLOSED and _closure(step, matrix.mT) < min(CLOSED, closure),
            )
        )
    return mixings


def _largest(matrix: Tensor, dim: int) -> float:
    return matrix.abs().sum(dim).max().item()


def _closure(step: MixingStep, matrix: Tensor) -> float:
    before, after, branch = step.before.double(), step.after.double(), step.branch.double()
    expected = matrix @ before + step.write.double()[..., :, None] * branch[..., None, :]
    return ((after - expected).norm() / after.norm()).item()
