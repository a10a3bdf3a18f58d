"""How much of the paper's training a run gets: all of it, its schedule in miniature, or a few steps."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from resunit.experiments.rows import Row
from resunit.names import UsageError, unknown
from resunit.training.devices import resolve_precision, start_worker
from resunit.training.recipe import Recipe, paper
from resunit.training.settings import with_settings
from resunit.zoo import network_spec


def paper_scale() -> Recipe:
    """The CIFAR recipe of the paper's appendix: 64k steps of 128."""
    return paper()


def mini_scale() -> Recipe:
    """The paper's schedule compressed to 400 steps of 64 images, one batch-norm group, one drop at 70 %.

    On the way the first 250 test images draw the curve; all of them are evaluated once, at the end.
    """
    return replace(
        paper(),
        steps=400,
        batch_size=64,
        group_size=None,
        warmup=0.06,
        drops=(0.7,),
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


SCALES: dict[str, Callable[[], Recipe]] = {"paper": paper_scale, "mini": mini_scale, "smoke": smoke_scale}


# How the authors' published code made 4.62 % (recipe `fb`); in full 200 epochs, with drops after 81 and 122.
FB = {"nesterov": True, "warmup": 0.0, "normalisation": "channel"}
FB_IN_FULL = {"steps": 200 * 50_000 // 64, "drops": (81 / 200, 122 / 200)}


def recipe_for(row: Row, scale: str, seed: int, data: str | None, settings: Sequence[str]) -> Recipe:
    """What training `row` at `scale` means; `data` is the folder of rows that name none.

    All designs of a network get the precision that its original units need, so that rows compare.
    Raises UsageError for an unknown scale, a setting that does not fit, or data that are missing.
    """
    if scale not in SCALES:
        raise unknown("scale", scale, SCALES)
    assert row.network is not None
    recipe = SCALES[scale]()
    if row.data is None and data is None:
        raise UsageError("this table needs ImageNet, or a folder of images like it: give --data FOLDER")
    source = row.data if row.data is not None else data
    if recipe.data != "cifar10-sample" or row.data is None:
        recipe = replace(recipe, data=source)
    if row.data is None:
        recipe = replace(recipe, normalisation="channel", image_size=224)
    recipe = replace(
        recipe,
        model=row.network.model,
        design=row.network.design,
        model_options=dict(row.network.options),
        seed=seed,
    )
    if row.half_batch:
        recipe = replace(recipe, **FB, **(FB_IN_FULL if scale == "paper" else {}))
    recipe = with_settings(recipe, settings)
    if row.half_batch:
        group = None if recipe.group_size is None else recipe.group_size // 2
        assert recipe.batch_size is not None
        recipe = replace(recipe, batch_size=recipe.batch_size // 2, group_size=group)
    original = network_spec(row.network.model, design="original")
    device = start_worker(recipe.device).device
    return replace(recipe, precision=resolve_precision(recipe, original, device))
