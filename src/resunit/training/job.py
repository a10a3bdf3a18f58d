"""A recipe made concrete: everything that a run computes with, ready before anything is written."""

from dataclasses import dataclass, replace

import torch

from resunit.data import Augmentation, Dataset, Normalisation, load
from resunit.models import NetworkSpec, ResidualNetwork, build
from resunit.names import UsageError
from resunit.training.batches import Batches
from resunit.training.devices import Worker, resolve_precision, start_worker
from resunit.training.evaluation import Evaluation, evaluate
from resunit.training.optimiser import Optimiser
from resunit.training.recipe import Recipe, checked
from resunit.training.schedule import learning_rate
from resunit.zoo import network_spec


@dataclass(frozen=True)
class Job:
    """`recipe` is resolved: its precision is one of "bf16" and "fp32", its batch no larger than the data."""

    recipe: Recipe
    worker: Worker
    dataset: Dataset
    normalisation: Normalisation
    spec: NetworkSpec
    network: ResidualNetwork
    optimiser: Optimiser
    batches: Batches
    steps: int

    @property
    def image_size(self) -> int:
        return self.dataset.train.images.shape[-1]

    def epochs(self, step: int) -> float:
        return step / self.batches.per_epoch

    def learning_rate(self, step: int) -> float:
        return learning_rate(self.recipe, step, self.steps)

    def evaluate(self) -> Evaluation:
        return evaluate(
            self.network, self.dataset.test, self.normalisation, self.recipe.precision, self.worker
        )

    def is_finite(self) -> bool:
        return all(bool(parameter.isfinite().all()) for parameter in self.network.parameters())

    def evaluates_after(self, step: int) -> bool:
        """Is there an evaluation after `step` steps? The one after the last step belongs to the result."""
        return step % (self.batches.per_epoch * self.recipe.evaluate_every) == 0 and step < self.steps

    def checkpoints_after(self, step: int) -> bool:
        return step % (self.recipe.checkpoint_every or self.batches.per_epoch) == 0 or step == self.steps


def augmentation(recipe: Recipe) -> Augmentation:
    return Augmentation(recipe.padding, recipe.padding_mode, recipe.flip)


def prepare(recipe: Recipe) -> Job:
    """Load the data and build the network of `recipe`; raises UsageError or DataError."""
    recipe = checked(recipe)
    worker = start_worker(recipe.device)
    spec = network_spec(
        recipe.model, design=recipe.design, **recipe.model_options
    )  # a typo fails before the data load
    dataset = load(recipe.data, image_size=recipe.image_size, progress=worker.is_main)
    if recipe.validation:
        dataset = dataset.hold_out(recipe.validation)
    spec = replace(spec, num_classes=len(dataset.classes))
    normalisation = Normalisation.fit(dataset.train.images, recipe.normalisation)
    dataset = dataset.to(worker.device)

    batch_size = min(recipe.batch_size, len(dataset.train.labels))
    if batch_size % worker.count:
        raise UsageError(f"batch_size {batch_size} cannot be shared equally by {worker.count} processes")
    precision = resolve_precision(recipe, spec, worker.device)
    recipe = replace(recipe, batch_size=batch_size, precision=precision)

    torch.manual_seed(recipe.seed)
    network = build(spec).to(worker.device, memory_format=torch.channels_last)
    batches = Batches(
        split=dataset.train,
        normalisation=normalisation.to(worker.device),
        augmentation=augmentation(recipe),
        seed=recipe.seed,
        batch_size=batch_size,
        group_size=recipe.group_size,
        worker=worker,
    )
    steps = recipe.steps or max(1, round((recipe.epochs or 0) * batches.per_epoch))
    return Job(
        recipe,
        worker,
        dataset,
        batches.normalisation,
        spec,
        network,
        Optimiser(recipe, network),
        batches,
        steps,
    )
