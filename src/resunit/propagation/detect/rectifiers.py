"""Recognising ReLU by its values where it is written out, as `y * (y > 0)` or `torch.maximum(y, zero)`."""

from typing import Any

import torch
from torch import Tensor

# The functions that ReLU may be written with, none of them in place.
RECTIFYING = ("mul", "multiply", "__mul__", "__rmul__", "where", "masked_fill", "maximum", "max", "fmax")


def rectifies(args: tuple[Any, ...], result: Any) -> bool:
    """Return whether a call sets the negative elements of its one value with gradients to zero, and keeps the others.

    Its other arguments are a mask or zeros; values without a negative element show nothing.
    """
    if type(result) is not Tensor or result.grad_fn is None or not result.is_floating_point():
        return False
    tensors = [value for value in args if isinstance(value, Tensor)]
    values = [value for value in tensors if value.requires_grad]
    if len(values) != 1 or type(values[0]) is not Tensor or values[0].shape != result.shape:
        return False
    others = [value for value in tensors if value is not values[0]]
    try:
        with torch.no_grad():
            if not any(other.dtype == torch.bool or not other.any() for other in others):
                return False
            return bool((values[0] < 0).any()) and torch.equal(result, values[0].clamp(min=0))
    except RuntimeError:  # Within torch.vmap nobody knows the numbers.
        return False
