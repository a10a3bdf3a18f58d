"""torch.compile for training steps: each residual unit is compiled, and units of one form share the compiled code.

A whole network would take longer to compile the deeper it is. Outside of training steps the network is the plain one:
it is evaluated, measured and stored as without compilation.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from resunit.errors import UsageError, reason_of
from resunit.models.residual_unit import ResidualUnit
from resunit.training.distributed import Distributed

FORMS_OF_UNITS = 256
"""The compiled forms of units that torch may keep; by default it keeps 8 and computes all others uncompiled."""


class CompiledUnits:
    """The residual units of a network, or a whole network without such units, compiled where `in_use` says so.

    Each shape of images, each form of a unit and each ghost batch of a step has a compiled form, made at its first use.
    """

    def __init__(self, network: nn.Module):
        units = [module for module in network.modules() if isinstance(module, ResidualUnit)]
        self.forwards = [(part, torch.compile(part.forward, dynamic=False)) for part in units or [network]]

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """Compute with compiled code inside."""
        with torch._dynamo.config.patch(recompile_limit=FORMS_OF_UNITS):
            for part, forward in self.forwards:
                part.forward = forward
            try:
                yield
            finally:
                for part, _ in self.forwards:
                    del part.forward


def check_compiler(distributed: Distributed) -> None:
    """Compile a sum to see that torch.compile works on this machine.

    Raises:
        UsageError: several processes train together, or something that torch.compile needs is not there.
    """
    if distributed.world_size > 1:
        raise UsageError("compile works in one process only; leave out --compile, or start one process")

    def add_one(x: Tensor) -> Tensor:
        return x + 1

    try:
        torch.compile(add_one, dynamic=False)(torch.ones(8, device=distributed.device))
    except RuntimeError as error:
        needed = "Triton" if distributed.device.type == "cuda" else "a C++ compiler such as g++"
        raise UsageError(
            f"torch.compile does not work here on {distributed.device}: {reason_of(error)}; install {needed}, or leave "
            "out --compile"
        ) from error
