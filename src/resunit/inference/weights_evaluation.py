"""The evaluation of a trained network on a data set, from its weights file or an exported file alone."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from resunit.errors import UsageError
from resunit.inference.classifier import load, not_finite
from resunit.inference.exported import ExportedNetwork
from resunit.io.format import format_count
from resunit.io.progress import working
from resunit.runs.schema import SplitName, ViewError
from resunit.training.distributed import start_distributed
from resunit.training.evaluation import ViewPredictions, evaluate, evaluate_views
from resunit.training.process_state import isolated_process_state


@dataclass(frozen=True)
class WeightsEvaluation:
    """The evaluation of a weights file on a data set; errors are in percent."""

    FORMAT: ClassVar[int] = 3

    weights: str
    """The path of the weights file."""
    data: str
    split: SplitName
    images: int
    loss: float
    """The mean cross-entropy."""
    error: float
    """The error on one plain view of each image."""
    top5_error: float | None
    """None where there are fewer than 100 classes."""
    views: tuple[ViewError, ...]
    """The errors on other views."""
    precision: str
    classes: tuple[str, ...]
    confusion: tuple[tuple[int, ...], ...]
    """Counts; rows are the true class and columns the predicted one. There are no rows for more than 2,000 classes."""
    images_by_class: tuple[int, ...] = ()
    """The number of images of each class."""
    notes: tuple[str, ...] = ()
    """What a user should know about the images, such as which classes have none."""
    format: int = FORMAT


@isolated_process_state()
def evaluate_weights(
    path: str | Path, data: str | None = None, *, progress: bool = False, tta: bool = False
) -> WeightsEvaluation:
    """Evaluate the network in a run's folder, a weights file or an exported file on a data set's test images.

    Args:
        path: what `load` takes.
        data: the data set; by default the one that the network was trained on.
        progress: whether progress is shown on stderr.
        tta: whether several views of each image are also evaluated together.

    Raises:
        FileFormatError: the file is missing, damaged or foreign, or the data set has other classes.
        DataError: the data cannot be fetched or read.
        UsageError: no data set is given, and the file names none; or `tta` needs views of several sizes, and an
            exported network takes one.
    """
    distributed = start_distributed("auto")
    classifier = load(path, device=str(distributed.device))
    one_size = isinstance(classifier.network, ExportedNetwork) and classifier.is_streamed
    if one_size and tta:
        raise UsageError(f"{classifier.file.path}: takes images of one size; evaluate the run with --tta")
    judged = classifier.load_judged(data, progress=progress)
    images = judged.images.to(distributed.device)
    network = classifier.copy_for_evaluation()
    subject = (network, images, classifier.normalisation, classifier.precision, distributed)
    with working(f"evaluating on {format_count(len(images), 'image')}", progress):
        predictions = evaluate(*subject)
        if not math.isfinite(predictions.loss):
            raise not_finite(classifier.file)
        views = ViewPredictions() if one_size else evaluate_views(*subject, tta)
    return WeightsEvaluation(
        weights=str(classifier.file.path),
        data=judged.name,
        split=judged.split_name,
        images=len(images),
        loss=predictions.loss,
        error=predictions.errors.error,
        top5_error=predictions.errors.top5_error,
        views=views.errors,
        precision=classifier.precision,
        classes=classifier.classes,
        confusion=predictions.confusion(),
        images_by_class=tuple(predictions.labels.bincount(minlength=len(classifier.classes)).tolist()),
        notes=judged.notes,
    )
