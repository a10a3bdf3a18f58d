"""Leaves a network exactly as it was: modes, gradients, buffers, flags and random state."""

import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn


@contextmanager
def preserved(model: nn.Module) -> Iterator[None]:
    """Whatever happens within, put back `model`'s buffers, gradients, flags and modes, and the generators."""
    modes = [(module, module.training) for module in model.modules()]
    buffers = [(module, dict(module._buffers)) for module in model.modules()]
    contents = [(buffer, buffer.clone()) for buffer in model.buffers()]
    flags = [(parameter, parameter.requires_grad, parameter.grad) for parameter in model.parameters()]
    devices = {tensor.device for tensor in [*model.parameters(), *model.buffers()]}
    generator = random.getstate()
    numpy = sys.modules.get("numpy")  # torch does without it
    numbers = numpy.random.get_state() if numpy else None
    try:
        with torch.random.fork_rng([d for d in devices if d.type == "cuda"]):
            yield
    finally:
        random.setstate(generator)
        if numpy:
            numpy.random.set_state(numbers)
        for module, known in buffers:
            module._buffers.clear()  # also of caches that the pass registered
            module._buffers.update(known)
        with torch.no_grad():
            for buffer, content in contents:
                buffer.copy_(content)
        for parameter, flag, gradient in flags:
            parameter.requires_grad_(flag)
            parameter.grad = gradient
        for module, mode in modes:
            module.training = mode


def differentiable(model: nn.Module) -> None:
    """Let every floating parameter take part: in a frozen network the graph would show none."""
    for parameter in model.parameters():
        if parameter.is_floating_point() or parameter.is_complex():
            parameter.requires_grad_(True)
