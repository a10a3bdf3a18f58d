"""The additions that a junction can be: a + b, out += a, torch.add, and the fused forms of them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class Term:
    """One side of an addition: `value` computes it from `inputs`, times a number or a tensor."""

    inputs: tuple[Tensor, ...]
    value: Callable[[], Tensor]
    factor: float | Tensor = 1.0


def terms(name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Term, Term] | None:
    """The two terms of a call of torch function `name`; None if it does not add two floating tensors."""
    read = READERS.get(name)
    return read(*args, **kwargs) if read else None


def adds_zero(name: str, args: tuple[Any, ...]) -> bool:
    """Is it 0 + x, with which Python's sum begins?"""
    return name in ADDITIONS and any(type(value) in (int, float) and value == 0 for value in args)


def _floating(*values: Any) -> bool:
    return all(isinstance(value, Tensor) and value.is_floating_point() for value in values)


def _scaled(tensor: Tensor, factor: float) -> Term:
    if factor == 1:
        return Term((tensor,), lambda: tensor)
    return Term((tensor,), lambda: tensor * factor, float(factor))


def _add(input: Any, other: Any, *, alpha: float = 1, out: Any = None) -> tuple[Term, Term] | None:
    del out  # written to, not read
    return (_scaled(input, 1), _scaled(other, alpha)) if _floating(input, other) else None


def _addmm(
    input: Any, *factors: Any, beta: float = 1, alpha: float = 1, out: Any = None, **named: Any
) -> tuple[Term, Term] | None:
    del out
    a, b = [*factors, *named.values()]
    if not _floating(input, a, b):
        return None
    return _scaled(input, beta), Term((a, b), lambda: alpha * torch.matmul(a, b))


def _addcmul(
    input: Any, *factors: Any, value: float = 1, out: Any = None, **named: Any
) -> tuple[Term, Term] | None:
    del out
    a, b = [*factors, *named.values()]
    return (_scaled(input, 1), Term((a, b), lambda: value * a * b)) if _floating(input, a, b) else None


def _lerp(input: Any, end: Any, weight: Any, *, out: Any = None) -> tuple[Term, Term] | None:
    del out
    if not _floating(input, end):
        return None
    if isinstance(weight, Tensor):
        return (
            Term((input,), lambda: (1 - weight) * input, 1 - weight),
            Term((end,), lambda: weight * end, weight),
        )
    return _scaled(input, 1 - weight), _scaled(end, weight)


ADDITIONS = ("add", "add_", "__add__", "__radd__", "__iadd__")
READERS: dict[str, Callable[..., tuple[Term, Term] | None]] = {
    name + suffix: reader
    for name, reader in {
        "addmm": _addmm,
        "baddbmm": _addmm,
        "addcmul": _addcmul,
        "lerp": _lerp,
    }.items()
    for suffix in ("", "_")
} | dict.fromkeys(ADDITIONS, _add)
