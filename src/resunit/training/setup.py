"""The setup of a run: everything that it computes with, as `training/prepare.py` makes it of a recipe."""

from collections import Counter
from dataclasses import dataclass

import torch
from torch import nn

from resunit.data import Normalisation
from resunit.models.network import NetworkSpec
from resunit.models.summary import count_multiply_adds
from resunit.runs.schema import Given
from resunit.training.batches import Batches
from resunit.training.data_of_run import AnyDataset
from resunit.training.distributed import Distributed
from resunit.training.evaluation import AnySplit, Predictions, ViewPredictions, evaluate, evaluate_views
from resunit.training.kept_weights import KeptWeights
from resunit.training.loss import TrainingLoss
from resunit.training.optimizer import RecipeOptimizer
from resunit.training.own_network import DESIGN_OF_OWN, OwnNetwork
from resunit.training.recipe import Recipe
from resunit.training.schedule import learning_rate, train_size
from resunit.training.starting_weights import StartingWeights
from resunit.training.state import TrainingState


@dataclass(frozen=True)
class TrainingSetup:
    """The network, the data and everything else that a run computes with."""

    recipe: Recipe
    """It is resolved: its batch size is a number, its precision is "bf16", "tf32", "fp32" or "fp64", and its
    activation checkpointing is "fast" or "small"."""
    distributed: Distributed
    dataset: AnyDataset
    normalisation: Normalisation
    spec: NetworkSpec | None
    """The plan of the network that trains; None for a module that Python code gave."""
    weights: StartingWeights | None
    """The weights that the run starts from; None for random weights."""
    network: nn.Module
    """The network that trains."""
    kept: KeptWeights
    """The network that is evaluated, with the weights that the run keeps."""
    optimizer: RecipeOptimizer
    batches: Batches
    loss: TrainingLoss
    steps: int
    """The length of the run."""
    flops: dict[int, int]
    """The floating-point operations to train on one image, by its side in pixels."""
    own_network: OwnNetwork | None = None
    """The module that Python code gave, if it gave one."""
    given: tuple[Given, ...] = ()
    """What Python code gave, which the recipe alone does not repeat."""
    typed_data: str | None = None
    """The data set as the user named it, for messages; the resolved recipe has a folder's whole path."""

    @property
    def model(self) -> str:
        """The name of the network."""
        if self.own_network is not None:
            return self.own_network.name
        name = self.recipe.model if self.weights is None else self.recipe.model or self.weights.network
        assert name is not None
        return name

    @property
    def design(self) -> str:
        """The design of the network's units, or what stands for it in records of a module that has none."""
        return DESIGN_OF_OWN if self.spec is None else self.spec.design

    def count_multiply_adds(self, side: int) -> int:
        """Return the multiply-adds of one evaluated image of `side` pixels."""
        if self.own_network is not None:
            return self.own_network.count_multiply_adds(side)
        assert self.spec is not None
        return count_multiply_adds(self.spec, side)

    @property
    def weights_checksum(self) -> str | None:
        """The checksum of the weights file that the run starts from."""
        return None if self.weights is None else self.weights.checksum

    @property
    def image_size(self) -> int:
        """The side of the images in pixels, as they are evaluated."""
        return self.dataset.train.side

    def epoch_at(self, step: int) -> float:
        """Return how many epochs `step` steps make, as a fraction."""
        return step / self.batches.per_epoch

    def learning_rate_at(self, step: int) -> float:
        """Return the learning rate of the step number `step`, counted from 0."""
        return learning_rate(self.recipe, step, self.steps)

    def image_size_at(self, step: int) -> int:
        """Return the side in pixels of the training images of the step number `step`, counted from 0."""
        return train_size(self.recipe, step, self.steps, self.image_size)

    def train_flops(self, steps: int) -> int:
        """Return the floating-point operations of the first `steps` steps, each at its own image size."""
        sizes = Counter(self.image_size_at(step) for step in range(steps))
        return sum(count * self.batches.batch_size * self.flops[size] for size, count in sizes.items())

    def evaluate(self, images: int | None = None) -> Predictions:
        """Return the predictions on all images that are evaluated during training, or on the first `images`."""
        return self._evaluate(self.dataset.watched[:images])

    def judge(self) -> Predictions:
        """Return the predictions on all images that the run is judged on at its end."""
        return self._evaluate(self.dataset.test)

    def judge_last_step(self) -> Predictions:
        """Return the predictions of the weights that the last step left, on the images of `judge`."""
        return self._evaluate(self.dataset.test, self.network)

    def _evaluate(self, split: AnySplit, network: nn.Module | None = None) -> Predictions:
        network = network or self.kept.network
        return evaluate(network, split, self.normalisation, self.recipe.precision, self.distributed)

    def evaluate_views(self) -> ViewPredictions:
        """Return the errors on views other than the plain one, as far as the recipe asks for them."""
        split, recipe = self.dataset.test, self.recipe
        return evaluate_views(
            self.kept.network, split, self.normalisation, recipe.precision, self.distributed, recipe.tta
        )

    def is_finite(self) -> bool:
        """Return whether all numbers of a checkpoint are finite: parameters, statistics, optimizer, kept weights."""
        parts = (self.network.state_dict(), self.optimizer.state(), self.kept.state())
        answers = [tensor.isfinite().all() for part in parts for tensor in part.values()]
        return bool(torch.stack(answers).all())  # One question to the device for all tensors.

    def evaluates_after(self, step: int) -> bool:
        """Return whether an evaluation is due after `step` steps.

        The evaluation after the last step is not meant here, because it belongs to the result.
        """
        every = self.recipe.evaluate_steps or self.batches.per_epoch * self.recipe.evaluate_every
        return step % every == 0 and step < self.steps

    def checkpoints_after(self, step: int) -> bool:
        """Return whether a checkpoint is due after `step` steps, whatever the clock says."""
        every = self.recipe.checkpoint_every
        return step == self.steps or (every is not None and step % every == 0)

    def ends_early(self, state: TrainingState) -> bool:
        """Return whether the run ends at `state`, because the validation error has not fallen for long enough."""
        patience = self.recipe.patience
        return patience is not None and state.evaluations_since_best >= patience
