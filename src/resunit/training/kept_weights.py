"""The weights of a run that are evaluated and kept: those of the last step, their average, or the best ones."""

from collections.abc import Mapping
from copy import deepcopy

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from resunit.io.tensors import select_named

AVERAGE, BEST = "average.", "best."


class KeptWeights:
    """The network that is evaluated during a run and stored at its end.

    Without an average and without a choice it is the network that trains.

    Attributes:
        network: the network to evaluate.
    """

    def __init__(self, trained: nn.Module, ema_decay: float | None, keep_best: bool):
        """Begin an average of `trained` if there is a decay.

        Args:
            trained: the network that the optimizer changes.
            ema_decay: the decay of an exponential moving average of all weights and running statistics.
            keep_best: whether `load_best` brings the weights of the best evaluation back.
        """
        self.trained = trained
        self.ema_decay = ema_decay
        self.keep_best = keep_best
        self.network = trained if ema_decay is None else deepcopy(trained).requires_grad_(False).eval()
        self.best: dict[str, Tensor] = {}

    @property
    def are_others_than_the_last(self) -> bool:
        """Whether the weights that are kept can differ from those that the last step left."""
        return self.ema_decay is not None or self.keep_best

    @torch.no_grad()
    def add_step(self, step: int) -> None:
        """Move the average towards the weights after step number `step`, counted from 0.

        The decay rises to its value as (1 + step) / (10 + step), as in TensorFlow's ExponentialMovingAverage, so
        that random initial weights soon have no share in the average of a short run.
        """
        if self.ema_decay is None:
            return
        decay = min(self.ema_decay, (1 + step) / (10 + step))
        trained, averages, numbers = self.trained.state_dict(), [], []
        for name, average in self.network.state_dict().items():
            if average.is_floating_point():
                averages.append(average)
                numbers.append(trained[name])
            else:
                average.copy_(trained[name])
        get_ema_multi_avg_fn(decay)(averages, numbers, step)  # A GPU computes them together.

    def add_best(self) -> None:
        """Remember the weights of the network to evaluate, because no evaluation had a lower error."""
        if self.keep_best:
            self.best = {name: tensor.clone() for name, tensor in self.network.state_dict().items()}

    def load_best(self) -> None:
        """Set the network to evaluate to the weights of the best evaluation, if they are to be kept."""
        if self.best:
            self.network.load_state_dict(self.best)

    def give_to_trained(self) -> None:
        """Set the network that trained to the weights that are kept."""
        if self.network is not self.trained:
            self.trained.load_state_dict(self.network.state_dict())

    def state(self) -> dict[str, Tensor]:
        """Return what a checkpoint needs beside the network that trains: the average and the best weights."""
        average = {} if self.ema_decay is None else self.network.state_dict()
        named = {f"{AVERAGE}{name}": tensor for name, tensor in average.items()}
        return named | {f"{BEST}{name}": tensor for name, tensor in self.best.items()}

    def load_state(self, tensors: Mapping[str, Tensor]) -> None:
        """Set what `state` returned. Raises RuntimeError if it is of another network or lacks the average."""
        if self.ema_decay is not None:
            self.network.load_state_dict(select_named(tensors, AVERAGE))
        example = next(self.network.parameters())
        self.best = {name: tensor.to(example.device) for name, tensor in select_named(tensors, BEST).items()}
