"""Leaving a network exactly as it was: modes, gradients, buffers, flags and random state."""

import random
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch
from torch import nn

from resunit.propagation.forward.snapshot import Snapshot


@contextmanager
def preserved_state(model: nn.Module) -> Iterator[None]:
    """Restore the state of `model` and all random generators at the end.

    The state is buffers, gradients, flags and modes, and everything that modules hold in attributes, such as
    caches. The values of parameters are not copied; a tensor that takes their place is taken out again.

    Within the `with` statement functions under `torch.compile` run as they are written, so that the
    operations in them are seen.
    """
    parameters, buffers = list(model.parameters()), list(model.buffers())
    contents = [(buffer, buffer.clone()) for buffer in buffers]
    flags = [(parameter, parameter.requires_grad, parameter.grad, parameter.data) for parameter in parameters]
    # Modes, caches, and whatever else modules hold in attributes, lists and mappings.
    attributes = Snapshot([model], known=[*parameters, *buffers])
    devices = {tensor.device for tensor in [*parameters, *buffers]}
    python_state = random.getstate()
    numpy = sys.modules.get("numpy")  # NumPy is not imported here, because torch runs without it.
    numpy_state = numpy.random.get_state() if numpy else None
    try:
        with (
            torch.random.fork_rng([device for device in devices if device.type == "cuda"]),
            _functions_as_written(),
        ):
            yield
    finally:
        random.setstate(python_state)
        if numpy:
            numpy.random.set_state(numpy_state)
        attributes.restore()
        with torch.no_grad():
            for buffer, content in contents:
                buffer.copy_(content)
        for parameter, flag, gradient, data in flags:
            if parameter.data_ptr() != data.data_ptr():
                parameter.data = data
            parameter.requires_grad_(flag)
            parameter.grad = gradient


def _functions_as_written() -> AbstractContextManager[object]:
    """Return a context in which functions under torch.compile run as they are written.

    Where nobody has imported torch's compiler, which takes seconds, nothing is compiled.
    """
    return torch.compiler.set_stance("force_eager") if "torch._dynamo" in sys.modules else nullcontext()


def require_gradients(model: nn.Module) -> None:
    """Let every floating-point parameter require gradients.

    The graph of a frozen network would hold no parameters, and so show no branches.
    """
    for parameter in model.parameters():
        if parameter.is_floating_point() or parameter.is_complex():
            parameter.requires_grad_(True)
