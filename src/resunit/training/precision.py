"""The arithmetic of a run: bf16 where the device has it in hardware and the network tolerates it."""

import torch

from resunit.models.network import NetworkSpec
from resunit.ops.processor import supports_bf16
from resunit.training.recipe import Recipe

MAX_LOW_PRECISION_UNITS = 250  # ResNet-1001, with a ReLU after each of 333 additions, did not train stably.
PRECISIONS = {"bf16": torch.bfloat16, "fp32": torch.float32}


def resolve_precision(recipe: Recipe, spec: NetworkSpec, device: torch.device) -> str:
    """Return "bf16" or "fp32": what `recipe.precision` means for this network on this device."""
    if recipe.precision != "auto":
        return recipe.precision
    tolerant = not spec.placement.after_addition or sum(spec.depths) <= MAX_LOW_PRECISION_UNITS
    return "bf16" if tolerant and supports_bf16(device) else "fp32"
