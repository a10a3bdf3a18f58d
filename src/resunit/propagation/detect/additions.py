"""The calls that add: a + b, out += a, a - b, additions into chosen places, and those fused with a product."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class Addend:
    """One of the two values that a call adds.

    Attributes:
        inputs: the tensors that the call takes for it.
        value: a function that computes it from `inputs`.
        factor: what the call multiplies its only input by, a number or a tensor.
        is_matrix_product: whether the call multiplies its inputs as matrices.
    """

    inputs: tuple[Tensor, ...]
    value: Callable[[], Tensor]
    factor: float | Tensor = 1.0
    is_matrix_product: bool = False


Addends = tuple[Addend, Addend]


def addends_of(function: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Addends | None:
    """Return the two addends of a call, or None if it does not add two floating-point tensors."""
    read = READERS.get(function)
    try:
        return read(*args, **kwargs) if read else None
    except TypeError:  # This is another function of the same name, with another signature.
        return None


def adds_zero(function: str, args: tuple[Any, ...]) -> bool:
    """Return whether the call is 0 + x, as Python's `sum` begins."""
    return function in ADDITIONS and any(type(value) in (int, float) and value == 0 for value in args)


def _are_floating(*values: Any) -> bool:
    return all(isinstance(value, Tensor) and value.is_floating_point() for value in values)


def _multiple(tensor: Tensor, factor: float) -> Addend:
    if factor == 1:
        return Addend((tensor,), lambda: tensor)
    return Addend((tensor,), lambda: tensor * factor, float(factor))


# The readers have the signatures of the torch functions. They ignore `out`, which is written and not read.


def _add(input: Any, other: Any, *, alpha: float = 1, out: Any = None) -> Addends | None:
    del out
    return (_multiple(input, 1), _multiple(other, alpha)) if _are_floating(input, other) else None


def _sub(input: Any, other: Any, *, alpha: float = 1, out: Any = None) -> Addends | None:
    del out
    return (_multiple(input, 1), _multiple(other, -alpha)) if _are_floating(input, other) else None


def _rsub(input: Any, other: Any, *, alpha: float = 1) -> Addends | None:
    return (_multiple(input, -alpha), _multiple(other, 1)) if _are_floating(input, other) else None


def _plus_product(
    product: Callable[[Tensor, Tensor], Tensor], is_matrix_product: bool
) -> Callable[..., Addends | None]:
    """Return the reader of a function that computes beta * input + alpha * product(a, b)."""

    def read(
        input: Any, *factors: Any, beta: float = 1, alpha: float = 1, out: Any = None, **named: Any
    ) -> Addends | None:
        del out
        a, b = [*factors, *named.values()]
        if not _are_floating(input, a, b):
            return None
        return _multiple(input, beta), Addend(
            (a, b), lambda: alpha * product(a, b), is_matrix_product=is_matrix_product
        )

    return read


def _plus_elementwise(
    combine: Callable[[Tensor, Tensor], Tensor],
) -> Callable[..., Addends | None]:
    """Return the reader of a function that computes input + value * combine(a, b)."""

    def read(input: Any, *factors: Any, value: float = 1, out: Any = None, **named: Any) -> Addends | None:
        del out
        a, b = [*factors, *named.values()]
        if not _are_floating(input, a, b):
            return None
        return _multiple(input, 1), Addend((a, b), lambda: value * combine(a, b))

    return read


def _lerp(input: Any, end: Any, weight: Any, *, out: Any = None) -> Addends | None:
    del out
    if not _are_floating(input, end):
        return None
    if isinstance(weight, Tensor):
        return (
            Addend((input,), lambda: (1 - weight) * input, 1 - weight),
            Addend((end,), lambda: weight * end, weight),
        )
    return _multiple(input, 1 - weight), _multiple(end, weight)


def _index_add(
    input: Any, dim: int, index: Any, source: Any, *, alpha: float = 1, out: Any = None
) -> Addends | None:
    del out
    if not _are_floating(input, source):
        return None
    return _into_places(input, source, lambda: _zeros_like(input).index_add(dim, index, source, alpha=alpha))


def _scatter_add(input: Any, dim: int, index: Any, src: Any, *, out: Any = None) -> Addends | None:
    del out
    if not _are_floating(input, src):
        return None
    return _into_places(input, src, lambda: _zeros_like(input).scatter_add(dim, index, src))


def _scatter(
    input: Any, dim: int, index: Any, src: Any, *, reduce: str = "", out: Any = None
) -> Addends | None:
    return _scatter_add(input, dim, index, src, out=out) if reduce == "add" else None


def _scatter_reduce(
    input: Any, dim: int, index: Any, src: Any, reduce: str, *, include_self: bool = True, out: Any = None
) -> Addends | None:
    return _scatter_add(input, dim, index, src, out=out) if reduce == "sum" and include_self else None


def _index_put(input: Any, indices: Any, values: Any, accumulate: bool = False) -> Addends | None:
    if not accumulate or not _are_floating(input, values):
        return None
    return _into_places(input, values, lambda: _zeros_like(input).index_put(indices, values, accumulate=True))


def _into_places(input: Tensor, source: Tensor, value: Callable[[], Tensor]) -> Addends:
    return _multiple(input, 1), Addend((source,), value)


def _zeros_like(input: Tensor) -> Tensor:
    return torch.zeros_like(input, requires_grad=False)


ADDITIONS = ("add", "add_", "__add__", "__radd__", "__iadd__")
SUBTRACTIONS = ("sub", "sub_", "subtract", "subtract_", "__sub__", "__isub__")
READERS: dict[str, Callable[..., Addends | None]] = {
    name + suffix: reader
    for name, reader in {
        "addmm": _plus_product(torch.matmul, is_matrix_product=True),
        "baddbmm": _plus_product(torch.matmul, is_matrix_product=True),
        "addmv": _plus_product(torch.matmul, is_matrix_product=True),
        "addbmm": _plus_product(lambda a, b: torch.matmul(a, b).sum(0), is_matrix_product=True),
        "addr": _plus_product(torch.outer, is_matrix_product=False),
        "addcdiv": _plus_elementwise(torch.div),
        "addcmul": _plus_elementwise(torch.mul),
        "lerp": _lerp,
        "index_add": _index_add,
        "scatter_add": _scatter_add,
        "scatter": _scatter,
        "scatter_reduce": _scatter_reduce,
        "index_put": _index_put,
    }.items()
    for suffix in ("", "_")
}
READERS |= dict.fromkeys(ADDITIONS, _add) | dict.fromkeys(SUBTRACTIONS, _sub)
READERS |= {"rsub": _rsub, "__rsub__": _rsub}
