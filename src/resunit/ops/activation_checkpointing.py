"""Activation checkpointing: activations are computed again in the backward pass instead of being stored.

Of L units about sqrt(L) inputs are stored, and the activations inside of sqrt(L) units at a time while their
gradients are taken (Chen et al. 2016). Memory grows as the square root of the depth, for nearly one more forward
pass. The last sqrt(L) units of a stage store their activations at once, because the backward pass needs them first.
"""

import math
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from resunit.ops.cpu.watched import is_watched, repeating


class Stage(nn.Sequential):
    """Apply residual units one after another, (N, C, H, W) -> (N, C', H', W').

    Activations are computed again `segment` units at a time; the last units store theirs. 0 stores all.
    """

    segment: int = 0

    def forward(self, input: Tensor) -> Tensor:
        """Return the output of the last unit."""
        if torch.jit.is_scripting():  # pyright: ignore[reportPrivateImportUsage]
            for unit in self:
                input = unit(input)
            return input
        else:  # noqa: RET505 (TorchScript would compile what follows the `if`, and skips its `else`.)
            return self._apply_units(input)

    def _apply_units(self, x: Tensor) -> Tensor:
        """Return the output of the last unit; the backward pass computes most activations again if asked to."""
        if not self.segment or not torch.is_grad_enabled():
            return super().forward(x)
        units = list(self)
        while len(units) > self.segment:
            count = len(units) % self.segment or self.segment
            x = compute_checkpointed(nn.Sequential(*units[:count]), x)
            del units[:count]
        return nn.Sequential(*units)(x)


def segment_length(units: int) -> int:
    """Return how many units of a stage of `units` are computed again together: the square root, rounded up."""
    return math.isqrt(max(units - 1, 0)) + 1


def enable_activation_checkpointing(stages: nn.Sequential, enable: bool = True) -> None:
    """Make every `Stage` of `stages` store the activations of about the square root of its units, or all."""
    for stage in stages:
        assert isinstance(stage, Stage)
        stage.segment = segment_length(len(stage)) if enable else 0


def compute_checkpointed(units: nn.Module, x: Tensor) -> Tensor:
    """Return units(x) and store x alone; random layers repeat their draws, batch norm tracks the first pass only."""
    return checkpoint(  # pyright: ignore[reportReturnType]
        units, x, use_reentrant=False, context_fn=lambda: (nullcontext(), WithoutTracking(units))
    )


class WithoutTracking:
    """Keep the buffers of `units`, their running statistics, as they are; it can be entered again and again.

    Copies are updated in their place, because batch norm must store as many tensors in both passes. For the same
    reason a norm and its activation are computed as one function, or as two, as they were in the first pass.
    """

    def __init__(self, units: nn.Module):
        self.modules = [module for module in units.modules() if module._buffers]
        self.watched = is_watched()
        self.repeating: AbstractContextManager[None] = nullcontext()
        self.kept: list[dict[str, Tensor | None]] = []

    def __enter__(self) -> None:
        self.kept = [dict(module._buffers) for module in self.modules]
        for module in self.modules:
            copies = {name: buffer.clone() for name, buffer in module.named_buffers(recurse=False)}
            module._buffers.update(copies)
        self.repeating = repeating(self.watched)
        self.repeating.__enter__()

    def __exit__(self, *_: object) -> None:
        self.repeating.__exit__(None, None, None)
        for module, buffers in zip(self.modules, self.kept, strict=True):
            module._buffers.update(buffers)
        self.kept = []
