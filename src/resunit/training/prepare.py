"""A recipe made concrete: its data, its network and its optimizer, before anything is written."""

from dataclasses import replace

import torch
from torch import nn

from resunit.data import Dataset, Normalisation, Split
from resunit.models.network import NetworkSpec, build, stem_for
from resunit.models.registry import network_spec
from resunit.ops.activation_checkpointing import enable_activation_checkpointing
from resunit.runs.schema import Given
from resunit.training.batches import Batches, describe_augmentation
from resunit.training.compilation import check_compiler
from resunit.training.data_of_run import (
    AnyDataset,
    check_choice,
    check_given_dataset,
    fit_normalisation,
    hold_out_validation,
    load_dataset_once,
)
from resunit.training.distributed import Distributed, start_distributed
from resunit.training.ghost_batch_norm import fix_norm_scales
from resunit.training.kept_weights import KeptWeights
from resunit.training.loss import TrainingLoss, balanced_weights
from resunit.training.mixing import describe_mixing
from resunit.training.optimizer import RecipeOptimizer
from resunit.training.own_network import OwnNetwork
from resunit.training.precision import choose_precision, dtype_of_weights
from resunit.training.recipe import Recipe
from resunit.training.resolve import check_frozen, resolve, resolve_data, sides_of
from resunit.training.setup import TrainingSetup
from resunit.training.starting_weights import StartingWeights, read_starting_weights
from resunit.training.whitening import fit_whitening


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
    if recipe.compile:
        check_compiler(distributed)
    from_python: tuple[tuple[Given, object], ...] = (("data", dataset), ("model", module))
    given = tuple(name for name, value in from_python if value is not None)
    typed_data = recipe.data if dataset is None else dataset.name
    if dataset is not None:
        check_given_dataset(recipe, dataset)
    if module is not None:
        own = OwnNetwork(module)
        recipe = own.recipe_for(recipe)
        held = hold_out_validation(recipe, dataset or load_dataset_once(recipe, distributed))
        return replace(_assemble_own(recipe, own, held, distributed), given=given, typed_data=typed_data)
    # The network comes before the data, so that a misspelt name fails at once.
    weights = read_starting_weights(recipe)
    if weights is None:
        assert recipe.model is not None
        spec, image_size = network_spec(recipe.model, design=recipe.design, **recipe.model_options), None
    else:
        spec, image_size = weights.file.spec, weights.image_size_for(recipe)
    check_frozen(recipe.freeze, spec)
    sized = replace(recipe, image_size=recipe.image_size or image_size)
    held = hold_out_validation(recipe, dataset or load_dataset_once(sized, distributed))
    return replace(assemble(recipe, spec, held, distributed, weights), given=given, typed_data=typed_data)


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
    recipe, flops = resolve(recipe, spec, dataset, distributed)

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
    precision = choose_precision(recipe.precision, device, tolerates_bf16=True)
    recipe = resolve_data(replace(recipe, precision=precision), dataset, distributed)
    if not recipe.train_norm_scale:
        fix_norm_scales(own.module)
    sides = sides_of(recipe, side)
    own.check(side, len(dataset.classes), precision, sides)
    network = own.module.to(device, dtype_of_weights(precision)).to(memory_format=torch.channels_last)
    flops = own.count_training_flops(sides)
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
    labels, classes = dataset.train.labels.cpu(), len(dataset.classes)  # Images are drawn on the CPU.
    dtype = dtype_of_weights(recipe.precision)
    class_weights, chances = None, None
    if recipe.class_weights == "balanced":
        class_weights = balanced_weights(labels, classes).to(distributed.device, dtype)
    if recipe.sampling == "balanced":
        chances = balanced_weights(labels, classes)[labels]
    batches = Batches(
        split=dataset.train,
        normalisation=normalisation,
        augmentation=describe_augmentation(recipe),
        seed=recipe.seed,
        batch_size=recipe.batch_size,
        ghost_batch_size=recipe.ghost_batch_size,
        distributed=distributed,
        dtype=dtype,
        chances=chances,
        mixing=describe_mixing(recipe, classes),
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
