"""The data set of a run: loaded as its recipe says, and checked against it."""

from dataclasses import replace
from typing import TypeAlias

from resunit.data import Dataset, Normalisation, Split, StreamedSplit, load, stream
from resunit.data.leaks import describe_leak
from resunit.errors import ResunitError, UsageError
from resunit.training.distributed import Distributed
from resunit.training.recipe import Recipe

AnyDataset: TypeAlias = Dataset[Split | StreamedSplit]


def load_dataset(recipe: Recipe, progress: bool, checked: bool = False) -> AnyDataset:
    """Return the data set of `recipe`: in memory, or streamed where crops are taken of the files' own pixels.

    Args:
        recipe: its `data`, `image_size`, `crop` and `skip_broken` are used.
        progress: whether progress is shown on stderr.
        checked: whether streamed images are all decoded once, so that a broken one ends the run before it begins.

    Raises:
        UsageError: the data set's name is unknown, or the image size does not fit it.
        DataError: the data cannot be fetched or read.
    """
    size, skip_broken = recipe.image_size, recipe.skip_broken
    if recipe.crop == "shift":
        return load(recipe.data, image_size=size, progress=progress, skip_broken=skip_broken)
    return stream(recipe.data, image_size=size, progress=progress, skip_broken=skip_broken, checked=checked)


def load_dataset_once(recipe: Recipe, distributed: Distributed) -> AnyDataset:
    """Return `load_dataset(recipe)` on every rank; rank 0 loads it first, because it may have to fetch it.

    If rank 0 fails, all ranks end: rank 0 with its error, as `Distributed.raise_together` says.
    """
    dataset, error = None, None
    if distributed.is_main:
        try:
            dataset = load_dataset(recipe, progress=True, checked=True)
        except (ResunitError, OSError) as problem:
            error = problem
    distributed.raise_together(error)
    return dataset or load_dataset(recipe, progress=False)


def hold_out_validation(recipe: Recipe, dataset: AnyDataset) -> AnyDataset:
    """Return the data set with the images that `recipe` holds out in the place of its test images.

    A note says if images to evaluate on are among those to train on.
    """
    if recipe.validation:
        dataset = dataset.hold_out(recipe.validation)
    leak = describe_leak(dataset)
    return dataset if leak is None else replace(dataset, notes=(*dataset.notes, leak))


def check_given_dataset(recipe: Recipe, dataset: Dataset[Split]) -> None:
    """Raise UsageError if images that Python code gave do not fit `recipe`."""
    if recipe.crop != "shift" or not isinstance(dataset.train, Split):
        raise UsageError("crops of files need a folder; give data in memory, and a recipe with crop shift")
    if recipe.image_size not in (None, dataset.train.side):
        raise UsageError(
            f"image_size {recipe.image_size} is not that of the given images, {dataset.train.side}; resize them, or "
            "leave image_size out"
        )
    if not len(dataset.test) and not recipe.validation:
        raise UsageError(
            "data has only images to train on; give data=resunit.data.make_dataset(train, test), or a recipe whose "
            "validation says how many of them to hold out"
        )


def check_choice(recipe: Recipe, dataset: AnyDataset) -> None:
    """Raise UsageError if test images would choose when the run ends or which weights are kept."""
    asked = [name for name in ("patience", "keep_best") if getattr(recipe, name)]
    if asked and dataset.watched_name == "test":
        need = "need" if len(asked) > 1 else "needs"
        raise UsageError(
            f"{' and '.join(asked)} {need} validation images, which {dataset.name} does not have; give validation, "
            "the number of training images to hold out, or a folder with val/"
        )


def fit_normalisation(recipe: Recipe, train: Split | StreamedSplit) -> Normalisation:
    """Return the normalisation by the training images' own statistics; for streamed images, ImageNet's."""
    if isinstance(train, Split):
        return Normalisation.fit(train.images, recipe.normalisation)
    return Normalisation.of_imagenet()
