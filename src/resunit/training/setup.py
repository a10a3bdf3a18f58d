"""The setup of a run: a recipe made concrete before anything is written."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import nn

from resunit.data import Augmentation, Dataset, Normalisation, Split
from resunit.errors import UsageError
from resunit.models.network import NetworkSpec, build, stem_for
from resunit.models.registry import network_spec
from resunit.models.summary import count_multiply_adds, count_training_flops
from resunit.ops.activation_checkpointing import enable_activation_checkpointing
from resunit.ops.processor import supports_bf16
from resunit.runs.schema import Given
from resunit.training.activation_memory import resolve_activation_checkpointing
from resunit.training.batches import Batches
from resunit.training.data_of_run import (
    AnyDataset,
    check_choice,
    check_given_dataset,
    fit_normalisation,
    hold_out,
    load_dataset_once,
)
from resunit.training.distributed import Distributed, start_distributed
from resunit.training.evaluation import AnySplit, Predictions, ViewPredictions, evaluate, evaluate_views
from resunit.training.ghost_batch_norm import fix_norm_scales
from resunit.training.kept_weights import KeptWeights
from resunit.training.loss import TrainingLoss, balanced_weights
from resunit.training.mixing import Mixing
from resunit.training.optimizer import RecipeOptimizer
from resunit.training.own_network import DESIGN as DESIGN_OF_OWN
from resunit.training.own_network import OwnNetwork
from resunit.training.precision import dtype_of_weights, resolve_precision
from resunit.training.recipe import Recipe
from resunit.training.schedule import learning_rate, train_size
from resunit.training.starting_weights import StartingWeights, read_starting_weights
from resunit.training.state import TrainingState
from resunit.training.whitening import fit_whitening


@dataclass(frozen=True)
class TrainingSetup:
    """The network, the data and everything else that a run computes with."""

    recipe: Recipe
    """It is resolved: its batch size is a number, its precision is "bf16", "fp32" or "fp64", and its
    activation checkpointing is "fast" or "small"."""
    distributed: Distributed
    dataset: AnyDataset
    normalisation: Normalisation
    spec: NetworkSpec | None
    """The network that trains; None for a module that Python code gave."""
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
        return all(bool(tensor.isfinite().all()) for part in parts for tensor in part.values())

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


def prepare(
    recipe: Recipe, dataset: Dataset[Split] | None = None, module: nn.Module | None = None
) -> TrainingSetup:
    """Load the data and build the network of `recipe`.

    Args:
        recipe: the run.
        dataset: images in memory, in the place of the data that the recipe names.
        module: a network, in the place of the one that the recipe names; it is trained as it is.

    Raises:
        UsageError: the recipe does not fit together, or does not fit the data or this machine.
        DataError: the data cannot be fetched or read.
        FileFormatError: the weights to start from are missing, damaged or of another network.
    """
    distributed = start_distributed(recipe.device)
    from_python: tuple[tuple[Given, object], ...] = (("data", dataset), ("model", module))
    given = tuple(name for name, value in from_python if value is not None)
    if dataset is not None:
        check_given_dataset(recipe, dataset)
    if module is not None:
        own = OwnNetwork(module)
        recipe = own.recipe_for(recipe)
        held = hold_out(recipe, dataset or load_dataset_once(recipe, distributed))
        return replace(_assemble_own(recipe, own, held, distributed), given=given)
    # The network comes before the data, so that a misspelt name fails at once.
    weights = read_starting_weights(recipe)
    if weights is None:
        assert recipe.model is not None
        spec, image_size = network_spec(recipe.model, design=recipe.design, **recipe.model_options), None
    else:
        spec, image_size = weights.file.spec, weights.image_size_for(recipe)
    check_frozen(recipe.freeze, spec)
    sized = replace(recipe, image_size=recipe.image_size or image_size)
    held = hold_out(recipe, dataset or load_dataset_once(sized, distributed))
    return replace(assemble(recipe, spec, held, distributed, weights), given=given)


def check_frozen(freeze: Sequence[str], spec: NetworkSpec) -> None:
    """Raise UsageError for parts that the network of `spec` does not have, and if they leave nothing to train."""
    if not freeze:
        return
    with torch.device("meta"):
        network = build(replace(spec, depths=(1,) * len(spec.depths)))
    network.freeze(freeze)
    if not any(parameter.requires_grad for parameter in network.parameters()):
        raise UsageError(f"freeze {','.join(freeze)} leaves nothing to train; leave a part out")


def assemble(
    recipe: Recipe,
    spec: NetworkSpec,
    dataset: AnyDataset,
    distributed: Distributed,
    weights: StartingWeights | None = None,
) -> TrainingSetup:
    """Build everything that training the network of `spec`, or of `weights`, on `dataset` needs.

    Raises:
        UsageError: the recipe does not fit the data or this machine.
    """
    device, side = distributed.device, dataset.train.side
    check_choice(recipe, dataset)
    if weights is None:
        spec = replace(spec, num_classes=len(dataset.classes), stem=stem_for(spec, side))
        normalisation = fit_normalisation(recipe, dataset.train).to(device)
    else:
        spec = weights.spec_for(dataset.classes)
        normalisation = weights.normalisation_for(recipe, side).to(device)
        recipe = replace(recipe, weights=weights.recorded)
    dataset = dataset.to(device)
    recipe, flops = _resolve(recipe, spec, dataset, distributed)

    torch.manual_seed(recipe.seed)
    network = build(spec) if weights is None else weights.build(dataset.classes)
    network = network.to(device).to(memory_format=torch.channels_last)
    if spec.stem == "whitening" and weights is None:
        fit_whitening(network.stem, dataset.train, normalisation)
    network = network.to(dtype_of_weights(recipe.precision))
    if recipe.activation_checkpointing == "small":
        enable_activation_checkpointing(network.stages)
    if not recipe.train_norm_scale:
        fix_norm_scales(network)
    network.freeze(recipe.freeze)
    return _join(recipe, distributed, dataset, normalisation, network, flops, spec=spec, weights=weights)


def _assemble_own(
    recipe: Recipe, own: OwnNetwork, dataset: AnyDataset, distributed: Distributed
) -> TrainingSetup:
    """Build everything that training a module of the user's own needs. Raises UsageError."""
    device, side = distributed.device, dataset.train.side
    check_choice(recipe, dataset)
    normalisation = fit_normalisation(recipe, dataset.train).to(device)
    precision = recipe.precision
    if precision == "auto":
        precision = "bf16" if supports_bf16(device) else "fp32"
    recipe = _resolve_data(replace(recipe, precision=precision), dataset, distributed)
    dtype = dtype_of_weights(precision)
    network = own.module.to(device, dtype).to(memory_format=torch.channels_last)
    if not recipe.train_norm_scale:
        fix_norm_scales(network)
    own.check(side, len(dataset.classes))
    flops = own.count_training_flops(_sides_of(recipe, side))
    return _join(recipe, distributed, dataset.to(device), normalisation, network, flops, own_network=own)


def _join(
    recipe: Recipe,
    distributed: Distributed,
    dataset: AnyDataset,
    normalisation: Normalisation,
    network: nn.Module,
    flops: dict[int, int],
    *,
    spec: NetworkSpec | None = None,
    weights: StartingWeights | None = None,
    own_network: OwnNetwork | None = None,
) -> TrainingSetup:
    """Return the setup of a resolved recipe, with its batches, its loss and its optimizer."""
    assert recipe.batch_size is not None
    # Drawing images needs their chances on the CPU.
    labels = dataset.train.labels.cpu()
    weights_of_classes = balanced_weights(labels, len(dataset.classes))
    dtype = dtype_of_weights(recipe.precision)
    class_weights = None
    if recipe.class_weights == "balanced":
        class_weights = weights_of_classes.to(distributed.device, dtype)
    batches = Batches(
        split=dataset.train,
        normalisation=normalisation,
        augmentation=describe_augmentation(recipe),
        seed=recipe.seed,
        batch_size=recipe.batch_size,
        ghost_batch_size=recipe.ghost_batch_size,
        distributed=distributed,
        dtype=dtype,
        chances=weights_of_classes[labels] if recipe.sampling == "balanced" else None,
        mixing=describe_mixing(recipe, len(dataset.classes)),
    )
    return TrainingSetup(
        recipe=recipe,
        distributed=distributed,
        dataset=dataset,
        normalisation=normalisation,
        spec=spec,
        weights=weights,
        network=network,
        kept=KeptWeights(network, recipe.ema_decay, recipe.keep_best),
        optimizer=RecipeOptimizer(recipe, network),
        batches=batches,
        loss=TrainingLoss(recipe.label_smoothing, class_weights),
        steps=recipe.steps or max(1, round((recipe.epochs or 0) * batches.per_epoch)),
        flops=flops,
        own_network=own_network,
    )


def _resolve(
    recipe: Recipe, spec: NetworkSpec, dataset: AnyDataset, distributed: Distributed
) -> tuple[Recipe, dict[int, int]]:
    """Return the recipe with every "auto" resolved, and the training arithmetic by image size. Raises UsageError."""
    side = dataset.train.side
    precision = resolve_precision(recipe, spec, distributed.device)
    recipe = _resolve_data(replace(recipe, precision=precision), dataset, distributed)
    sides = _sides_of(recipe, side)
    try:
        flops = {size: count_training_flops(spec, size, recipe.freeze) for size in sides}
    except (RuntimeError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise UsageError(
            f"{recipe.model or recipe.weights} cannot train on images of {sorted(sides)} pixels: {reason}"
        ) from error
    checkpointing = resolve_activation_checkpointing(recipe, spec, side, distributed)
    return replace(recipe, activation_checkpointing=checkpointing), flops


def _resolve_data(recipe: Recipe, dataset: AnyDataset, distributed: Distributed) -> Recipe:
    """Return the recipe with its batch size, and the name of its data set. Raises UsageError."""
    images, side = len(dataset.train), dataset.train.side
    batch_size = min(recipe.batch_size or min(250, max(16, images // 16)), images)
    if distributed.world_size > 1:
        check_shares(batch_size, recipe.ghost_batch_size, distributed.world_size)
    if recipe.padding_mode == "reflect" and recipe.padding >= side:
        raise UsageError(f"padding {recipe.padding} cannot be reflected in images of {side} pixels")
    return replace(recipe, batch_size=batch_size, data=dataset.name)


def _sides_of(recipe: Recipe, side: int) -> set[int]:
    """Return the sides in pixels of all images that a run trains on; `side` is that of the stored images."""
    return {side, *(round(scale * side) for scale in recipe.resize_scales)}


def check_shares(batch_size: int, ghost_batch_size: int | None, world_size: int) -> None:
    """Raise UsageError unless each of several processes gets equally many images, and whole ghost batches of them.

    Then the processes together have the ghost batches that one process has.
    """
    share, rest = divmod(batch_size, world_size)
    if rest:
        lower = batch_size - rest
        fitting = f"{lower} or {lower + world_size}" if lower else f"{world_size}"
        raise UsageError(
            f"batch_size {batch_size} cannot be shared equally by {world_size} processes; {fitting} can"
        )
    if ghost_batch_size is not None and share % ghost_batch_size:
        sizes = [str(size) for size in range(2, share + 1) if share % size == 0]
        raise UsageError(
            f"ghost_batch_size {ghost_batch_size} does not divide {share}, which is the share of each of "
            f"{world_size} processes in batch_size {batch_size}; give {', '.join([*sizes, 'none'])}"
            " (none normalises over the whole batch)"
        )


def describe_augmentation(recipe: Recipe) -> Augmentation:
    """Return the augmentation of `recipe`."""
    return Augmentation(
        recipe.padding,
        recipe.padding_mode,
        recipe.flip,
        recipe.crop,
        recipe.colour,
        recipe.rand_augment,
        recipe.random_erasing,
    )


def describe_mixing(recipe: Recipe, classes: int) -> Mixing | None:
    """Return how the images of a step are mixed; None if they are not."""
    if not (recipe.mixup or recipe.cutmix):
        return None
    return Mixing(recipe.mixup, recipe.cutmix, classes, recipe.seed)
