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
    """Units that run once more: their buffers, running statistics, stay; may be entered again and again.

    They are put back at the end: batch norm must store the same tensors each time, tracked ones among them.
    """

    def __init__(self, units: nn.Module):
        self.units = units
        self.before: list[tuple[Tensor, Tensor]] = []
        # `BatchNorm` takes another form while somebody watches torch's functions.
        watched = torch._C._len_torch_function_stack()
        self.mode = BaseTorchFunctionMode() if watched else nullcontext()

    def __enter__(self) -> None:
        self.mode.__enter__()
        self.before = [(buffer, buffer.clone()) for buffer in self.units.buffers()]

    def __exit__(self, *_: object) -> None:
        self.mode.__exit__(None, None, None)
        for buffer, value in self.before:
            buffer.copy_(value)
        self.before = []
