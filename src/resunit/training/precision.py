"""The arithmetic of a run: bf16 where the device has it in hardware and the network tolerates it.

In fp32 all convolutions and products are IEEE float32, on a GPU too, where torch by itself computes convolutions in
TF32. TF32 has the range of float32 and 10 bits of precision instead of 23.

In fp64 all numbers of the network are float64, and torch's own layers compute. It is meant for comparisons.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from resunit.errors import UsageError
from resunit.models.network import NetworkSpec
from resunit.ops.processor import supports_bf16, supports_tf32
from resunit.training.recipe import Recipe

# In bf16, ResNet-1001 with a ReLU after each of its 333 additions did not train stably.
MAX_LOW_PRECISION_UNITS = 250
PRECISIONS = {"bf16": torch.bfloat16, "tf32": torch.float32, "fp32": torch.float32}


def resolve_precision(recipe: Recipe, spec: NetworkSpec, device: torch.device) -> str:
    """Return "bf16", "tf32", "fp32" or "fp64": what `recipe.precision` means for this network on this device.

    Raises:
        UsageError: the device has no such arithmetic.
    """
    tolerates = not spec.placement.after_addition or sum(spec.depths) <= MAX_LOW_PRECISION_UNITS
    return choose_precision(recipe.precision, device, tolerates_bf16=tolerates)


def choose_precision(asked: str, device: torch.device, *, tolerates_bf16: bool) -> str:
    """Return "bf16", "tf32", "fp32" or "fp64": what `asked` means on this device; "auto" takes the quickest.

    Raises:
        UsageError: the device has no such arithmetic.
    """
    if asked == "fp64" and device.type == "mps":
        raise UsageError("precision fp64 is not available on mps; give device cpu too, or precision fp32")
    if asked == "tf32" and not supports_tf32(device):
        raise UsageError(f"precision tf32 is not available on {device}; give precision fp32")
    if asked != "auto":
        return asked
    if tolerates_bf16 and supports_bf16(device):
        return "bf16"
    return "tf32" if supports_tf32(device) else "fp32"


def dtype_of_weights(precision: str) -> torch.dtype:
    """Return the dtype of a network's weights and of the images that it is given in training."""
    return torch.float64 if precision == "fp64" else torch.float32


@contextmanager
def autocast(device: torch.device, precision: str) -> Iterator[None]:
    """Compute in `precision` inside: with bf16 autocast if it is "bf16", and float32 as `fp32_arithmetic` says.

    Autocast keeps the weights that it has cast until the outermost region ends, which may be the host
    program's. Here these copies are dropped at the end of this region, because an optimizer step may follow.
    """
    with (
        fp32_arithmetic(device, precision),
        torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"),
    ):
        try:
            yield
        finally:
            torch.clear_autocast_cache()


@contextmanager
def fp32_arithmetic(device: torch.device, precision: str) -> Iterator[None]:
    """Compute float32 convolutions and products of a GPU in TF32 if `precision` is "tf32", else in IEEE float32.

    These are settings of the whole process; the host program's are restored at the end.
    """
    if device.type != "cuda":
        yield
        return
    cudnn: Any = torch.backends.cudnn  # Its stub lacks `conv`.
    parts = (torch.backends.cuda.matmul, cudnn.conv)
    before = [part.fp32_precision for part in parts]
    try:
        for part in parts:
            part.fp32_precision = "tf32" if precision == "tf32" else "ieee"
        yield
    finally:
        for part, setting in zip(parts, before, strict=True):
            part.fp32_precision = setting


@contextmanager
def choosing_kernels(device: torch.device, *, by_time: bool) -> Iterator[None]:
    """Let cuDNN time its kernels on a GPU and take the quickest, or else always the same ones.

    These then add up in a fixed order too, so that equal runs have equal bits. The settings are those of the whole
    process; the host program's are restored at the end.
    """
    cudnn = torch.backends.cudnn
    before = cudnn.benchmark, cudnn.deterministic
    if device.type == "cuda":
        cudnn.benchmark, cudnn.deterministic = by_time, not by_time
    try:
        yield
    finally:
        cudnn.benchmark, cudnn.deterministic = before
