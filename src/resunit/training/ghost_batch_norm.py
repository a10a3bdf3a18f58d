"""Ghost batch norm: each micro-batch has its own statistics, and a step updates the running ones once."""

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

MOMENTUM = 0.1  # This is the weight of a step's statistics in the running ones, as in both code bases of the authors.


def set_momentum(model: nn.Module, index: int, count: int) -> None:
    """Prepare the batch norms of `model` for the ghost batch number `index` of the `count` of a step.

    With momentum m_g = (m / G) / (1 - m (G - 1 - g) / G), the G updates of a step leave
    (1 - m) r + m mean_g(s_g): one update with the mean statistics of all ghost batches.
    """
    share = MOMENTUM / count
    momentum = share / (1 - share * (count - 1 - index))
    for module in model.modules():
        if isinstance(module, _BatchNorm):
            module.momentum = momentum


def count_ghost_batches(model: nn.Module, others: int) -> None:
    """Count the ghost batches of a step that other ranks had, so that the counts are those of one process."""
    for module in model.modules():
        if isinstance(module, _BatchNorm) and module.training and module.num_batches_tracked is not None:
            module.num_batches_tracked.add_(others)


def fix_norm_scales(model: nn.Module) -> None:
    """Exclude the scale gamma of every batch norm of `model` from training; it stays 1."""
    for module in model.modules():
        if isinstance(module, _BatchNorm) and module.affine:
            module.weight.requires_grad_(False)
