"""Deep on little memory: maps between units are computed again in the backward pass instead of stored.

Of L units about sqrt(L) inputs are stored, and the maps inside of sqrt(L) units at a time while their
gradients are taken (Chen et al. 2016): memory grows as the square root of depth, for nearly one more forward
pass. The last sqrt(L) units of a stage store their maps at once: the backward pass needs them first.
"""

import math
from contextlib import nullcontext

import torch
from torch import Tensor, nn
from torch.overrides import BaseTorchFunctionMode
from torch.utils.checkpoint import checkpoint

from resunit.ops.cpu.batch_norm import is_watched


class Stage(nn.Sequential):
    """Residual units one after another, (N, C, H, W) -> (N, C', H', W').

    Maps are computed again `segment` units at a time; the last of them store theirs. 0 stores all maps.
    """

    segment: int = 0

    def forward(self, input: Tensor) -> Tensor:
        if not self.segment or not torch.is_grad_enabled():
            return super().forward(input)
        x, units = input, list(self)
        while len(units) > self.segment:
            count = len(units) % self.segment or self.segment
            x = checkpointed(nn.Sequential(*units[:count]), x)
            del units[:count]
        return nn.Sequential(*units)(x)


def segment_length(units: int) -> int:
    """The units computed again together in a stage of `units`: the square root, rounded up."""
    return math.isqrt(max(units - 1, 0)) + 1


def recompute(stages: nn.Sequential) -> None:
    """Make every `Stage` of `stages` store as little as its square root."""
    for stage in stages:
        assert isinstance(stage, Stage)
        stage.segment = segment_length(len(stage))


def checkpointed(units: nn.Module, x: Tensor) -> Tensor:
    """units(x), storing x alone; random layers repeat their draws, batch norm tracks only the first pass."""
    return checkpoint(  # pyright: ignore[reportReturnType]
        units, x, use_reentrant=False, context_fn=lambda: (nullcontext(), WithoutTracking(units))
    )


class WithoutTracking:
    """Leaves the buffers of `units`, running statistics, as they are; may be entered again and again.

    Copies are tracked in their place: batch norm must store as many tensors each time. So it is one function
    with its activation, or two, as it was in the pass in which this is made.
    """

    def __init__(self, units: nn.Module):
        self.modules = [module for module in units.modules() if module._buffers]
        self.mode = BaseTorchFunctionMode() if is_watched() else nullcontext()
        self.kept: list[dict[str, Tensor | None]] = []

    def __enter__(self) -> None:
        self.kept = [dict(module._buffers) for module in self.modules]
        for module in self.modules:
            copies = {name: buffer.clone() for name, buffer in module.named_buffers(recurse=False)}
            module._buffers.update(copies)
        self.mode.__enter__()

    def __exit__(self, *_: object) -> None:
        self.mode.__exit__(None, None, None)
        for module, buffers in zip(self.modules, self.kept, strict=True):
            module._buffers.update(buffers)
        self.kept = []
