"""The calls that add two values; what adds and does more is written out before, see `forward.written_out`."""

from typing import Any

from torch import Tensor

ADDITIONS = ("add", "add_", "__add__", "__radd__", "__iadd__")
Addends = tuple[Tensor, Tensor]


def addends_of(function: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Addends | None:
    """Return the two addends of a call, or None if it does not add two floating-point tensors."""
    if function not in ADDITIONS:
        return None
    values = [*args, *(kwargs[name] for name in ("input", "other") if name in kwargs)]
    if len(values) != 2 or not all(isinstance(v, Tensor) and v.is_floating_point() for v in values):
        return None
    return values[0], values[1]


def adds_zero(function: str, args: tuple[Any, ...]) -> bool:
    """Return whether the call is 0 + x, as Python's `sum` begins."""
    return function in ADDITIONS and any(type(value) in (int, float) and value == 0 for value in args)
