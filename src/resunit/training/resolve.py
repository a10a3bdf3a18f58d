"""The fields of a recipe that depend on the data or the machine, resolved and checked."""

from collections.abc import Sequence
from dataclasses import replace

import torch

from resunit.errors import UsageError, reason_of
from resunit.models.network import NetworkSpec, build
from resunit.models.summary import count_training_flops
from resunit.training.activation_memory import resolve_activation_checkpointing
from resunit.training.data_of_run import AnyDataset
from resunit.training.distributed import Distributed
from resunit.training.precision import resolve_precision
from resunit.training.recipe import Recipe


def resolve(
    recipe: Recipe, spec: NetworkSpec, dataset: AnyDataset, distributed: Distributed
) -> tuple[Recipe, dict[int, int]]:
    """Return the recipe with every "auto" resolved, and the operations to train on an image, by its side in pixels.

    Raises:
        UsageError: the recipe does not fit the data or this machine.
    """
    side = dataset.train.side
    precision = resolve_precision(recipe, spec, distributed.device)
    recipe = resolve_data(replace(recipe, precision=precision), dataset, distributed)
    sides = sides_of(recipe, side)
    try:
        flops = {size: count_training_flops(spec, size, recipe.freeze) for size in sides}
    except (RuntimeError, ValueError) as error:
        reason = reason_of(error)
        raise UsageError(
            f"{recipe.model or recipe.weights} cannot train on images of {sorted(sides)} pixels: {reason}"
        ) from error
    checkpointing = resolve_activation_checkpointing(recipe, spec, side, distributed)
    return replace(recipe, activation_checkpointing=checkpointing), flops


def resolve_data(recipe: Recipe, dataset: AnyDataset, distributed: Distributed) -> Recipe:
    """Return the recipe with the batch size and the name of the data set that the run takes.

    Raises:
        UsageError: the processes cannot share the batch, or the padding does not fit the images.
    """
    images, side = len(dataset.train), dataset.train.side
    batch_size = min(recipe.batch_size or min(250, max(16, images // 16)), images)
    if distributed.world_size > 1:
        check_shares(batch_size, recipe.ghost_batch_size, distributed.world_size)
    if recipe.padding_mode == "reflect" and recipe.padding >= side:
        raise UsageError(f"padding {recipe.padding} cannot be reflected in images of {side} pixels")
    return replace(recipe, batch_size=batch_size, data=dataset.name)


def sides_of(recipe: Recipe, side: int) -> set[int]:
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


def check_frozen(freeze: Sequence[str], spec: NetworkSpec) -> None:
    """Raise UsageError for parts that the network of `spec` does not have, and if they leave nothing to train."""
    if not freeze:
        return
    with torch.device("meta"):
        network = build(replace(spec, depths=(1,) * len(spec.depths)))
    network.freeze(freeze)
    if not any(parameter.requires_grad for parameter in network.parameters()):
        raise UsageError(f"freeze {','.join(freeze)} leaves nothing to train; leave a part out")
