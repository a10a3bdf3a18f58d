"""How much of the paper's training a run gets: all of it, its schedule in miniature, or a few steps."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from resunit.errors import UsageError, unknown
from resunit.models.registry import network_spec
from resunit.reproduction.rows import Row
from resunit.training.devices import resolve_device
from resunit.training.precision import resolve_precision
from resunit.training.recipe import Recipe, with_changes
from resunit.training.recipes import fb, imagenet, paper


def mini_scale() -> Recipe:
    """The paper's schedule compressed to 400 steps of 64 images, one batch-norm group, one drop at 70 %.

    On the way the first 250 test images draw the curve; all of them are evaluated once, at the end.
    """
    return replace(
        paper(),
        steps=400,
        batch_size=64,
        ghost_batch_size=None,
        warmup=0.06,
        milestones=(0.7,),
        evaluate_steps=20,
        evaluation_images=250,
        watch_propagation=100,
        checkpoint_every=100,
    )


def smoke_scale() -> Recipe:
    """A few steps on the sample, to see that everything runs."""
    return replace(
        mini_scale(),
        data="cifar10-sample",
        steps=3,
        batch_size=16,
        evaluate_steps=2,
        evaluation_images=16,
        watch_propagation=2,
    )


def imagenet_mini_scale() -> Recipe:
    """The paper's ImageNet schedule compressed to 400 steps of 64 images, on crops of 98 pixels and not 224,
    tested on crops of 98 (at 112) and 140; all else as in the recipe.
    """
    return replace(
        imagenet(),
        image_size=98,
        epochs=None,
        steps=400,
        batch_size=64,
        evaluate_steps=100,
        evaluation_images=250,
        watch_propagation=100,
        checkpoint_every=100,
    )


def imagenet_smoke_scale() -> Recipe:
    """A few steps on crops of 70 pixels, the smallest multiple of 7 that ImageNet's stem is for."""
    return replace(
        imagenet_mini_scale(), image_size=70, steps=3, batch_size=16, ghost_batch_size=None, evaluation_images=16,
        evaluate_steps=2, watch_propagation=2,
    )  # fmt: skip


SCALES: dict[str, Callable[[], Recipe]] = {"paper": paper, "mini": mini_scale, "smoke": smoke_scale}
IMAGENET_SCALES: dict[str, Callable[[], Recipe]] = {
    "paper": imagenet,
    "mini": imagenet_mini_scale,
    "smoke": imagenet_smoke_scale,
}


OF_THE_ROW = {  # the fields that a row or its seed sets, and what chooses them
    "model": "--only",
    "design": "--only or --add",
    "data": "the table",
    "seed": "--seeds",
}


def fb_half_batch(scale: str) -> Recipe:
    """How the authors' published code made 4.62 %: recipe `fb` with half the batch and half its groups.

    Its length is the scale's, and in full 200 epochs with drops after 81 and 122.
    """
    published, recipe = fb(), SCALES[scale]()
    assert recipe.batch_size is not None
    batch_size = recipe.batch_size // 2
    if scale == "paper":
        recipe = replace(recipe, steps=200 * 50_000 // batch_size, milestones=(81 / 200, 122 / 200))
    return replace(
        recipe,
        nesterov=published.nesterov,
        warmup=published.warmup,
        normalisation=published.normalisation,
        batch_size=batch_size,
        ghost_batch_size=None if recipe.ghost_batch_size is None else recipe.ghost_batch_size // 2,
    )


def recipe_for(row: Row, scale: str, seed: int, data: str | None, settings: Mapping[str, Any]) -> Recipe:
    """What training `row` at `scale` means; `data` is the folder of rows that name none.

    All designs of a network get the precision that its original units need, so that rows compare.
    Raises UsageError for an unknown scale, a setting that does not fit, or data that are missing.
    """
    if scale not in SCALES:
        raise unknown("scale", scale, SCALES)
    for name in settings:
        if name in OF_THE_ROW:
            raise UsageError(f"{name} is what makes a row; choose with {OF_THE_ROW[name]}")
    assert row.network is not None
    if row.data is None:
        if data is None:
            raise UsageError(
                "there is no ImageNet here; give --data FOLDER, of any images as train/<class>/<image> and "
                "val/<class>/<image>"
            )
        recipe = replace(IMAGENET_SCALES[scale](), data=data, crop=row.crop)
    else:
        recipe = fb_half_batch(scale) if row.recipe == "fb-half-batch" else SCALES[scale]()
        if recipe.data != "cifar10-sample":
            recipe = replace(recipe, data=row.data)
    recipe = replace(
        recipe,
        model=row.network.model,
        design=row.network.design,
        model_options=dict(row.network.options),
        seed=seed,
    )
    recipe = with_changes(recipe, settings)
    original = network_spec(row.network.model, design="original")
    device = resolve_device(recipe.device)
    return replace(recipe, precision=resolve_precision(recipe, original, device))
