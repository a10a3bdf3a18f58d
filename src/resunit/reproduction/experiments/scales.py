"""How much of the paper's training a run gets: all of it, its schedule in fewer steps, or a few steps."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from resunit.errors import UsageError, unknown
from resunit.models.registry import network_spec
from resunit.reproduction.paper.rows import Row
from resunit.training.devices import resolve_device
from resunit.training.precision import resolve_precision
from resunit.training.recipe import Recipe, with_changes
from resunit.training.recipes import fb, imagenet, paper


def paper_scale() -> Recipe:
    """Return the paper's recipe, with the signal measured at every twentieth of its steps, as claims need it."""
    return _watched(paper())


def eighth_scale() -> Recipe:
    """Return the paper's recipe in an eighth of its steps: the warm-up and the milestones shrink in proportion."""
    recipe = paper()
    assert recipe.steps is not None
    return _watched(replace(recipe, steps=recipe.steps // 8))


def _watched(recipe: Recipe) -> Recipe:
    assert recipe.steps is not None
    return replace(recipe, watch_propagation=recipe.steps // 20)


# The pilots fixed this number before the first run that decides anything (docs/lab-notes.md).
STEPS_OF_LAPTOP = 4_000


def laptop_scale() -> Recipe:
    """Return the paper's schedule in `STEPS_OF_LAPTOP` steps of 32 images, which are averaged to 16 x 16.

    Networks keep their depth and width. The warm-up takes 6 % of the steps, and the milestones stand where the
    paper has them. Shifts are by 2 pixels, which are 4 of the stored image. Every machine computes in fp32, so
    that seeds of different machines can be pooled. Batch norm normalises over the whole batch.

    The log and the signal have a line every twentieth of the steps, as claims need them. Evaluations on the way
    are for the curves alone; the last evaluation uses all test images.
    """
    return replace(
        paper(),
        steps=STEPS_OF_LAPTOP,
        image_size=16,
        padding=2,
        batch_size=32,
        ghost_batch_size=None,
        warmup=0.06,
        precision="fp32",
        evaluate_steps=STEPS_OF_LAPTOP // 20,
        evaluation_images=500,
        watch_propagation=STEPS_OF_LAPTOP // 20,
    )


def smoke_scale() -> Recipe:
    """Return a recipe of a few steps on the sample, which shows that everything runs."""
    return replace(
        paper(),
        data="cifar10-sample",
        steps=3,
        batch_size=16,
        ghost_batch_size=None,
        warmup=0.06,
        milestones=(0.7,),
        evaluate_steps=2,
        evaluation_images=16,
        watch_propagation=2,
    )


def imagenet_eighth_scale() -> Recipe:
    """Return the paper's ImageNet recipe in an eighth of its epochs."""
    recipe = imagenet()
    assert recipe.epochs is not None
    return replace(recipe, epochs=recipe.epochs / 8)


def imagenet_laptop_scale() -> Recipe:
    """Return the paper's ImageNet schedule compressed to 400 steps of 64 images, in fp32.

    Training crops have 98 pixels and not 224. Tests take crops of 98 pixels of images of 112, and crops of
    140. Everything else is as in the recipe.
    """
    return replace(
        imagenet(),
        image_size=98,
        epochs=None,
        steps=400,
        batch_size=64,
        precision="fp32",
        evaluate_steps=100,
        evaluation_images=250,
        watch_propagation=100,
    )


def imagenet_smoke_scale() -> Recipe:
    """Return a recipe of a few steps on crops of 70 pixels, the smallest multiple of 7 that the stem takes."""
    return replace(
        imagenet(), image_size=70, epochs=None, steps=3, batch_size=16, ghost_batch_size=None, evaluation_images=16,
        evaluate_steps=2, watch_propagation=2,
    )  # fmt: skip


SCALES: dict[str, Callable[[], Recipe]] = {  # the largest first, which decides claims before the others
    "paper": paper_scale,
    "eighth": eighth_scale,
    "laptop": laptop_scale,
    "smoke": smoke_scale,
}
IMAGENET_SCALES: dict[str, Callable[[], Recipe]] = {
    "paper": imagenet,
    "eighth": imagenet_eighth_scale,
    "laptop": imagenet_laptop_scale,
    "smoke": imagenet_smoke_scale,
}
# These scales are the paper's setting in all but the length, of which they have this share.
SHARE_OF_THE_PAPER = {"paper": 1, "eighth": 1 / 8}


# A row or its seed sets these fields, so they are no options; the options on the right choose the row or the seed.
OF_THE_ROW = {"model": "--only", "design": "--only or --add", "data": "the table", "seed": "--seeds"}


def fb_half_batch(scale: str) -> Recipe:
    """Return the recipe of 4.62 % in Table 4: the authors' published code with half the batch.

    The length is the scale's. At paper scale it is 200 epochs with milestones after 81 and 122, and at the scale
    eighth an eighth of that.
    """
    published, recipe = fb(), SCALES[scale]()
    assert recipe.batch_size is not None
    batch_size = recipe.batch_size // 2
    if (share := SHARE_OF_THE_PAPER.get(scale)) is not None:
        steps = int(share * 200 * 50_000) // batch_size
        recipe = replace(recipe, steps=steps, milestones=(81 / 200, 122 / 200))
    return replace(
        recipe,
        nesterov=published.nesterov,
        warmup=published.warmup,
        normalisation=published.normalisation,
        batch_size=batch_size,
        ghost_batch_size=None if recipe.ghost_batch_size is None else recipe.ghost_batch_size // 2,
    )


def recipe_for(row: Row, scale: str, seed: int, data: str | None, changes: Mapping[str, Any]) -> Recipe:
    """Return the recipe that trains `row` at `scale`; `data` and `changes` are those of `plan_runs`.

    All designs of a network get the precision that its original units need, so that rows can be compared.

    Raises:
        UsageError: the scale is unknown, a change does not fit or is the row's to make, or `data` is missing.
    """
    if scale not in SCALES:
        raise unknown("scale", scale, SCALES)
    for name in changes:
        if name in OF_THE_ROW:
            raise UsageError(f"{name} is fixed by the row; choose rows with {OF_THE_ROW[name]}")
    network = row.own_network
    if row.data is None:
        if data is None:
            raise UsageError(
                "ImageNet is not on this machine; give --data FOLDER with images as train/<class>/<image> and "
                "val/<class>/<image>"
            )
        recipe = replace(IMAGENET_SCALES[scale](), data=data, crop=row.crop)
    else:
        recipe = fb_half_batch(scale) if row.recipe == "fb-half-batch" else SCALES[scale]()
        if recipe.data != "cifar10-sample":
            recipe = replace(recipe, data=row.data)
    recipe = replace(
        recipe,
        model=network.model,
        design=network.design,
        model_options=dict(network.options),
        seed=seed,
    )
    recipe = with_changes(recipe, changes)
    original = network_spec(network.model, design="original")
    device = resolve_device(recipe.device)
    precision = resolve_precision(recipe, original, device)
    if recipe.precision == "auto" and precision == "tf32":
        precision = "fp32"  # Evidence is in bf16 or in IEEE float32, whatever else a device offers.
    return replace(recipe, precision=precision)
