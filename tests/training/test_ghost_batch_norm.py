"""Ghost batches: a step updates the running statistics once, with the ghost batches' mean."""

import pytest
import torch
from torch import nn

from resunit.training.ghost_batch_norm import set_momentum


@pytest.mark.parametrize("count", [1, 2, 3, 8])
def test_running_statistics_move_once_a_step_towards_the_ghost_batches_mean(count: int) -> None:
    torch.manual_seed(0)
    norm = nn.BatchNorm2d(4)
    assert norm.running_mean is not None
    assert norm.running_var is not None
    norm.running_mean.uniform_()
    norm.running_var.uniform_(1, 2)
    mean, var = norm.running_mean.clone(), norm.running_var.clone()
    batches = [torch.randn(8, 4, 3, 3) * (index + 1) + index for index in range(count)]
    for index, batch in enumerate(batches):
        set_momentum(nn.Sequential(norm), index, count)
        norm(batch)
    means = torch.stack([b.mean((0, 2, 3)) for b in batches])
    variances = torch.stack([b.transpose(0, 1).flatten(1).var(1) for b in batches])
    torch.testing.assert_close(norm.running_mean, 0.9 * mean + 0.1 * means.mean(0))
    torch.testing.assert_close(norm.running_var, 0.9 * var + 0.1 * variances.mean(0))
