"""The state of all random generators, to repeat a pass with the same dropout."""

import random
import sys
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class RandomState:
    """The state of the random generators of torch, Python and NumPy at one moment.

    Attributes:
        cpu: the state of torch's generator.
        cuda: the states of torch's generators of CUDA devices, by device.
        python: the state of Python's generator.
        numpy: the state of NumPy's generator; None if NumPy is not imported.
    """

    cpu: Tensor
    cuda: dict[torch.device, Tensor]
    python: Any
    numpy: Any

    @classmethod
    def now(cls, model: nn.Module) -> "RandomState":
        """Return the state now; of the CUDA devices, those that the model is on."""
        devices = {tensor.device for tensor in [*model.parameters(), *model.buffers()]}
        numpy = sys.modules.get("numpy")
        return cls(
            torch.get_rng_state(),
            {device: torch.cuda.get_rng_state(device) for device in devices if device.type == "cuda"},
            random.getstate(),
            numpy.random.get_state() if numpy else None,
        )

    def restore(self) -> None:
        """Set all generators back to this state."""
        torch.set_rng_state(self.cpu)
        for device, state in self.cuda.items():
            torch.cuda.set_rng_state(state, device)
        random.setstate(self.python)
        if self.numpy is not None and (numpy := sys.modules.get("numpy")):
            numpy.random.set_state(self.numpy)
