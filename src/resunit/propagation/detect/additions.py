"""The calls that add: a + b, out += a, torch.add, and the functions that fuse an addition with a product."""

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
    """

    inputs: tuple[Tensor, ...]
    value: Callable[[], Tensor]
    factor: float | Tensor = 1.0


Addends = tuple[Addend, Addend]


def addends_of(function: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Addends | None:
    """Return the two addends of a call, or None if it does not add two floating-point tensors."""
    read = READERS.get(function)
    return read(*args, **kwargs) if read else None


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


def _addmm(
    input: Any, *factors: Any, beta: float = 1, alpha: float = 1, out: Any = None, **named: Any
) -> Addends | None:
    del out
    a, b = [*factors, *named.values()]
    if not _are_floating(input, a, b):
        return None
    return _multiple(input, beta), Addend((a, b), lambda: alpha * torch.matmul(a, b))


def _addcmul(input: Any, *factors: Any, value: float = 1, out: Any = None, **named: Any) -> Addends | None:
    del out
    a, b = [*factors, *named.values()]
    if not _are_floating(input, a, b):
        return None
    return _multiple(input, 1), Addend((a, b), lambda: value * a * b)


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


ADDITIONS = ("add", "add_", "__add__", "__radd__", "__iadd__")
READERS: dict[str, Callable[..., Addends | None]] = {
    name + suffix: reader
    for name, reader in {
        "addmm": _addmm,
        "baddbmm": _addmm,
        "addcmul": _addcmul,
        "lerp": _lerp,
    }.items()
    for suffix in ("", "_")
} | dict.fromkeys(ADDITIONS, _add)
