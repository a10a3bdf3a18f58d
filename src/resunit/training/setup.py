"""A recipe made concrete: everything that a run computes with, ready before anything is written."""

from collections import Counter
from dataclasses import dataclass, replace
from typing import TypeAlias

import torch

from resunit.data import Augmentation, Dataset, Normalisation, Split, StreamedSplit, load, stream
from resunit.errors import ResunitError, UsageError
from resunit.models.network import NetworkSpec, ResidualNetwork, build, stem_for
from resunit.models.registry import network_spec
from resunit.models.summary import training_flops
from resunit.ops.activation_checkpointing import recompute
from resunit.ops.cpu.allocator import keep_freed_memory
from resunit.training.batches import Batches
from resunit.training.distributed import Distributed, start_distributed
from resunit.training.evaluation import Evaluation, OtherViews, evaluate, evaluate_views
from resunit.training.ghost_batch_norm import fix_scales
from resunit.training.memory import resolve_memory
from resunit.training.optimizer import RecipeOptimizer
from resunit.training.precision import resolve_precision
from resunit.training.recipe import Recipe
from resunit.training.schedule import learning_rate, train_size
from resunit.training.whitening import fit_whitening

AnyDataset: TypeAlias = Dataset[Split | StreamedSplit]


@dataclass(frozen=True)
class TrainingSetup:
    """`recipe` is resolved: precision bf16 or fp32, memory fast or small, and no batch beyond the data."""

    recipe: Recipe
    worker: Distributed
    dataset: AnyDataset
    normalisation: Normalisation
    spec: NetworkSpec
    network: ResidualNetwork
    optimizer: RecipeOptimizer
    batches: Batches
    steps: int
    flops: dict[int, int]  # training arithmetic for one image, by its side

    @property
    def image_size(self) -> int:
        return self.dataset.train.side

    def epochs(self, step: int) -> float:
        return step / self.batches.per_epoch

    def learning_rate(self, step: int) -> float:
        return learning_rate(self.recipe, step, self.steps)

    def evaluate(self, images: int | None = None) -> Evaluation:
        """Evaluate on all images of the test split, or on the first `images` of them."""
        split = self.dataset.test[:images]
        return evaluate(self.network, split, self.normalisation, self.recipe.precision, self.worker)

    def evaluate_views(self) -> OtherViews:
        recipe, split = self.recipe, self.dataset.test
        return evaluate_views(
            self.network, split, self.normalisation, recipe.precision, self.worker, recipe.tta
        )

    def is_finite(self) -> bool:
        """Are all parameters and running statistics numbers?"""
        return all(bool(tensor.isfinite().all()) for tensor in self.network.state_dict().values())

    def train_size(self, step: int) -> int:
        return train_size(self.recipe, step, self.steps, self.image_size)

    def train_flops(self, steps: int) -> int:
        """Training arithmetic of the first `steps` steps, whatever size each saw its images at."""
        sizes = Counter(self.train_size(step) for step in range(steps))
        return sum(count * self.batches.batch_size * self.flops[size] for size, count in sizes.items())

    def evaluates_after(self, step: int) -> bool:
        """Is there an evaluation after `step` steps? The one after the last step belongs to the result."""
        every = self.recipe.evaluate_steps or self.batches.per_epoch * self.recipe.evaluate_every
        return step % every == 0 and step < self.steps

    def checkpoints_after(self, step: int) -> bool:
        return step % (self.recipe.checkpoint_every or self.batches.per_epoch) == 0 or step == self.steps


def augmentation(recipe: Recipe) -> Augmentation:
    return Augmentation(recipe.padding, recipe.padding_mode, recipe.flip, recipe.crop, recipe.colour)


def dataset_of(recipe: Recipe, progress: bool) -> AnyDataset:
    """The data set of `recipe`: in memory, or streamed where crops are taken of the files' own pixels."""
    if recipe.crop == "shift":
        return load(recipe.data, image_size=recipe.image_size, progress=progress)
    return stream(recipe.data, image_size=recipe.image_size)


def normalisation_of(recipe: Recipe, train: Split | StreamedSplit) -> Normalisation:
    """By the training images' own statistics, where they have been read."""
    if isinstance(train, Split):
        return Normalisation.fit(train.images, recipe.normalisation)
    return Normalisation.of_imagenet()


def load_data(recipe: Recipe, worker: Distributed) -> AnyDataset:
    """`dataset_of`; the main worker first, since it may have to fetch it."""
    dataset, error = None, None
    if worker.is_main:
        try:
            dataset = dataset_of(recipe, progress=True)
        except (ResunitError, OSError) as problem:
            error = problem
    worker.stop_together(error)
    return dataset or dataset_of(recipe, progress=False)


def prepare(recipe: Recipe) -> TrainingSetup:
    """Load the data and build the network of `recipe`; raises UsageError or DataError."""
    worker = start_distributed(recipe.device)
    # Before the data, so that a typo fails at once.
    spec = network_spec(recipe.model, design=recipe.design, **recipe.model_options)
    dataset = load_data(recipe, worker)
    if recipe.validation:
        dataset = dataset.hold_out(recipe.validation)
    return assemble(recipe, spec, dataset, worker)


def assemble(recipe: Recipe, spec: NetworkSpec, dataset: AnyDataset, worker: Distributed) -> TrainingSetup:
    """Build all that training the network of `spec` on `dataset` needs; raises UsageError."""
    keep_freed_memory(worker.device)
    side = dataset.train.side
    spec = replace(spec, num_classes=len(dataset.classes), stem=stem_for(spec, side))
    normalisation = normalisation_of(recipe, dataset.train).to(worker.device)
    dataset = dataset.to(worker.device)

    images = len(dataset.train)
    batch_size = min(recipe.batch_size or min(250, max(16, images // 16)), images)
    if batch_size % worker.count:
        raise UsageError(f"batch_size {batch_size} cannot be shared equally by {worker.count} processes")
    precision = resolve_precision(recipe, spec, worker.device)
    recipe = replace(recipe, batch_size=batch_size, precision=precision, data=dataset.name)

    sides = {side, *(round(scale * side) for scale in recipe.resize_scales)}
    if recipe.padding_mode == "reflect" and recipe.padding >= side:
        raise UsageError(f"padding {recipe.padding} cannot be reflected in images of {side} pixels")
    try:
        flops = {size: training_flops(spec, size) for size in sides}
    except (RuntimeError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise UsageError(
            f"{recipe.model} cannot train on images of {sorted(sides)} pixels: {reason}"
        ) from error
    recipe = replace(recipe, activation_checkpointing=resolve_memory(recipe, spec, side, worker))

    torch.manual_seed(recipe.seed)
    network = build(spec).to(worker.device).to(memory_format=torch.channels_last)
    if spec.stem == "whitening":
        fit_whitening(network.stem, dataset.train, normalisation)
    if recipe.activation_checkpointing == "small":
        recompute(network.stages)
    if not recipe.train_norm_scale:
        fix_scales(network)
    batches = Batches(
        split=dataset.train,
        normalisation=normalisation,
        augmentation=augmentation(recipe),
        seed=recipe.seed,
        batch_size=batch_size,
        ghost_batch_size=recipe.ghost_batch_size,
        worker=worker,
    )
    steps = recipe.steps or max(1, round((recipe.epochs or 0) * batches.per_epoch))
    optimizer = RecipeOptimizer(recipe, network)
    return TrainingSetup(
        recipe, worker, dataset, normalisation, spec, network, optimizer, batches, steps, flops
    )
