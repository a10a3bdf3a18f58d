"""Tensors within nested tuples, lists and mappings, as networks take and return them."""

from collections.abc import Iterator
from typing import Any

from torch import Tensor


def tensors_in(value: Any) -> Iterator[Tensor]:
    """Yield the tensors within nested tuples, lists and mappings, in order."""
    return (leaf for leaf in _leaves(value) if isinstance(leaf, Tensor))


def holds_numpy_arrays(value: Any) -> bool:
    """Return whether nested tuples, lists and mappings hold a NumPy array."""
    # The type is compared by name, so that NumPy need not be installed.
    return any(type(leaf).__name__ == "ndarray" for leaf in _leaves(value))


def _leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, tuple | list):
        for item in value:
            yield from _leaves(item)
    elif hasattr(value, "values") and hasattr(value, "keys"):
        for item in value.values():
            yield from _leaves(item)
    else:
        yield value
