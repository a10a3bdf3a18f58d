"""Tensors within nested tuples, lists, mappings and dataclasses, as networks take and return them."""

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any

from torch import Tensor


def tensors_in(value: Any) -> Iterator[Tensor]:
    """Yield the tensors within nested tuples, lists, mappings and dataclasses, in order."""
    return (leaf for leaf in _leaves(value) if isinstance(leaf, Tensor))


def holds_numpy_arrays(value: Any) -> bool:
    """Return whether nested tuples, lists, mappings and dataclasses hold a NumPy array."""
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
    elif is_dataclass(value) and not isinstance(value, type):
        for field in fields(value):
            yield from _leaves(getattr(value, field.name, None))
    else:
        yield value
