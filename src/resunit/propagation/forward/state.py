"""Leaving a network exactly as it was: modes, gradients, buffers, flags and random state."""

import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn


@contextmanager
def preserved_state(model: nn.Module) -> Iterator[None]:
    """Restore the buffers, gradients, flags and modes of `model`, and all random generators, at the end.

    Within the `with` statement functions under `torch.compile` run as they are written, so that the
    operations in them are seen.
    """
    modes = [(module, module.training) for module in model.modules()]
    buffers = [(module, dict(module._buffers)) for module in model.modules()]
    contents = [(buffer, buffer.clone()) for buffer in model.buffers()]
    flags = [(parameter, parameter.requires_grad, parameter.grad) for parameter in model.parameters()]
    devices = {tensor.device for tensor in [*model.parameters(), *model.buffers()]}
    python_state = random.getstate()
    numpy = sys.modules.get("numpy")  # NumPy is not imported here, because torch runs without it.
    numpy_state = numpy.random.get_state() if numpy else None
    try:
        with (
            torch.random.fork_rng([device for device in devices if device.type == "cuda"]),
            torch.compiler.set_stance("force_eager"),
        ):
            yield
    finally:
        random.setstate(python_state)
        if numpy:
            numpy.random.set_state(numpy_state)
        for module, known in buffers:
            module._buffers.clear()  # This also removes caches that the pass registered as buffers.
            module._buffers.update(known)
        with torch.no_grad():
            for buffer, content in contents:
                buffer.copy_(content)
        for parameter, flag, gradient in flags:
            parameter.requires_grad_(flag)
            parameter.grad = gradient
        for module, mode in modes:
            module.training = mode


def require_gradients(model: nn.Module) -> None:
    """Let every floating-point parameter require gradients.

    The graph of a frozen network would hold no parameters, and so show no branches.
    """
    for parameter in model.parameters():
        if parameter.is_floating_point() or parameter.is_complex():
            parameter.requires_grad_(True)
