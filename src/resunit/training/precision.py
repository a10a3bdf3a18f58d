"""The arithmetic of a run: bf16 where the device has it in hardware and the network tolerates it.

In fp64 all numbers of the network are float64, and torch's own layers compute. It is meant for comparisons.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from resunit.errors import UsageError
from resunit.models.network import NetworkSpec
from resunit.ops.processor import supports_bf16
from resunit.training.recipe import Recipe

# In bf16, ResNet-1001 with a ReLU after each of its 333 additions did not train stably.
MAX_LOW_PRECISION_UNITS = 250
PRECISIONS = {"bf16": torch.bfloat16, "fp32": torch.float32}


def resolve_precision(recipe: Recipe, spec: NetworkSpec, device: torch.device) -> str:
    """Return "bf16", "fp32" or "fp64": what `recipe.precision` means for this network on this device.

    Raises:
        UsageError: the device has no float64.
    """
    if recipe.precision == "fp64" and device.type == "mps":
        raise UsageError("precision fp64 is not available on mps; give device cpu too, or precision fp32")
    if recipe.precision != "auto":
        return recipe.precision
    tolerant = not spec.placement.after_addition or sum(spec.depths) <= MAX_LOW_PRECISION_UNITS
    return "bf16" if tolerant and supports_bf16(device) else "fp32"


def dtype_of_weights(precision: str) -> torch.dtype:
    """Return the dtype of a network's weights and of the images that it is given in training."""
    return torch.float64 if precision == "fp64" else torch.float32


@contextmanager
def autocast(device: torch.device, precision: str) -> Iterator[None]:
    """Compute with bf16 autocast inside if `precision` is "bf16".

    Autocast keeps the weights that it has cast until the outermost region ends, which may be the host
    program's. Here these copies are dropped at the end of this region, because an optimizer step may follow.
    """
    with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"):
        try:
            yield
        finally:
            torch.clear_autocast_cache()
