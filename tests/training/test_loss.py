"""The training loss against its formula."""

import torch
from torch.nn.functional import cross_entropy, one_hot

from resunit.training.loss import TrainingLoss, balanced_weights

torch.manual_seed(0)
LOGITS = torch.randn(10, 4, dtype=torch.float64)
LABELS = torch.tensor([0, 0, 0, 0, 0, 1, 1, 1, 2, 3])
WEIGHTS = balanced_weights(LABELS, 4)


def by_hand(shares: torch.Tensor, smoothing: float, weights: torch.Tensor) -> torch.Tensor:
    smoothed = (1 - smoothing) * shares + smoothing / 4
    return -(weights * smoothed * LOGITS.log_softmax(1)).sum() / 10


def test_balanced_weights_are_those_of_scikit_learn() -> None:
    assert WEIGHTS.tolist() == [10 / (4 * 5), torch.tensor(10 / (4 * 3)).item(), 10 / 4, 10 / 4]
    torch.testing.assert_close(WEIGHTS[LABELS].mean(), torch.tensor(1.0))
    assert balanced_weights(torch.tensor([0, 2]), 3).tolist() == [1, 0, 1], "an empty class has no weight"


def test_the_loss_is_its_formula() -> None:
    mixed = 0.3 * one_hot(LABELS, 4).double() + 0.7 * one_hot(LABELS.roll(1), 4).double()
    for smoothing in (0.0, 0.2):
        for weights in (None, WEIGHTS):
            loss = TrainingLoss(smoothing, None if weights is None else weights.double())
            by_class = torch.ones(4, dtype=torch.float64) if weights is None else weights.double()
            for targets, shares in ((LABELS, one_hot(LABELS, 4).double()), (mixed, mixed)):
                torch.testing.assert_close(loss(LOGITS, targets), by_hand(shares, smoothing, by_class))


def test_losses_of_ghost_batches_add_up() -> None:
    loss = TrainingLoss(0.1, WEIGHTS.double())
    parts = [
        loss(logits, labels) * len(labels) / 10
        for logits, labels in zip(LOGITS.split(3), LABELS.split(3), strict=True)
    ]
    torch.testing.assert_close(sum(parts), loss(LOGITS, LABELS))


def test_without_weights_it_is_torchs_bit_for_bit() -> None:
    ours = TrainingLoss(0.1, None)(LOGITS, LABELS)
    assert torch.equal(ours, cross_entropy(LOGITS, LABELS, label_smoothing=0.1))
