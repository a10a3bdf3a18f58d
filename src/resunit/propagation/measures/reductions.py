"""Sums over whole tensors; each stays on its device as a 0-dimensional float32 or float64 tensor."""

import functools

import torch
from torch import Tensor


def flatten_alike(*tensors: Tensor, careful: bool = False, by_sample: bool = False) -> list[Tensor]:
    """Return the elements of equally shaped tensors in one order, as tensors of shape (N,).

    They are not copied if all tensors are dense and laid out alike, for instance all channels-last.
    Reductions over strided views are many times slower.

    Args:
        tensors: tensors of one shape.
        careful: return float64, whose squares neither vanish nor overflow, on devices that have it. Otherwise
            the result is float32, or float64 if one tensor is.
        by_sample: return tensors of shape (samples, N / samples) of tensors of shape (samples, ...).
    """
    first = tensors[0]
    shape = (len(first), first.numel() // max(1, len(first))) if by_sample else (first.numel(),)
    is_alike = all(t.stride() == first.stride() and t.shape == first.shape for t in tensors)
    if is_alike and _is_dense(first) and (not by_sample or first.stride(0) == shape[-1]):
        strides = (shape[-1], 1) if by_sample else (1,)
        views = [t.detach().as_strided(shape, strides) for t in tensors]
    else:
        views = [t.detach().reshape(shape) for t in tensors]
    dtype = functools.reduce(torch.promote_types, (view.dtype for view in views), torch.float32)
    if careful and first.device.type != "mps":
        dtype = torch.float64
    return [view.to(dtype) for view in views]


def _is_dense(tensor: Tensor) -> bool:
    """Return whether the elements fill a stretch of memory, in whatever order of the dimensions."""
    expected = 1
    for stride, size in sorted(zip(tensor.stride(), tensor.shape, strict=True)):
        if size != 1:
            if stride != expected:
                return False
            expected *= size
    return True


def energy(flat: Tensor) -> Tensor:
    """Return the sum of squares of a tensor of shape (N,)."""
    return torch.dot(flat, flat)


def difference_energy(a: Tensor, b: Tensor) -> Tensor:
    """Return the sum of squares of a - b."""
    return energy(a - b)


def to_numbers(values: list[Tensor]) -> list[float]:
    """Return 0-dimensional tensors as numbers, with one transfer from each device."""
    numbers = [0.0] * len(values)
    for device in {value.device for value in values}:
        here = [i for i, value in enumerate(values) if value.device == device]
        stacked = torch.stack([values[i] for i in here])
        for i, number in zip(here, stacked.tolist(), strict=True):
            numbers[i] = number
    return numbers
