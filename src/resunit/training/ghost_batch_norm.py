"""Batch-norm groups are micro-batches: each has its own statistics, a step one update of the running ones."""

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

MOMENTUM = 0.1  # the weight of a step's statistics in the running ones, as in both published codes


def set_momentum(model: nn.Module, group: int, groups: int) -> None:
    """Prepare `model`'s batch norms for micro-batch `group` of `groups`.

    With momentum m_g = (m / G) / (1 - m (G - 1 - g) / G), the G updates of a step leave
    (1 - m) r + m mean_g(s_g): one update with the groups' average.
    """
    share = MOMENTUM / groups
    momentum = share / (1 - share * (groups - 1 - group))
    for module in model.modules():
        if isinstance(module, _BatchNorm):
            module.momentum = momentum


def fix_scales(model: nn.Module) -> None:
    """Leave gamma at 1: only beta is learned."""
    for module in model.modules():
        if isinstance(module, _BatchNorm):
            module.weight.requires_grad_(False)
