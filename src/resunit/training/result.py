"""The records that end a run: its result, and the evaluation of its final weights."""

from collections import Counter
from collections.abc import Sequence
from itertools import chain, repeat

import torch
from torch import Tensor, nn

from resunit.data.data_uri import data_uri
from resunit.models.network import ResidualNetwork
from resunit.models.summary import count_parameters
from resunit.runs.end_of_training import steps_before_the_end
from resunit.runs.schema import Evaluation, Prediction, RunResult, Status
from resunit.training.calibration import measure_calibration
from resunit.training.class_activation_map import compute_mapped_logits, draw_evidence
from resunit.training.evaluation import Predictions, ViewPredictions
from resunit.training.setup import TrainingSetup
from resunit.training.state import TrainingState

MISTAKES_SHOWN = 24
PREDICTIONS_SHOWN = 24


def describe_result(
    setup: TrainingSetup,
    state: TrainingState,
    status: Status,
    predictions: Predictions | None = None,
    views: ViewPredictions | None = None,
    last_step: Predictions | None = None,
) -> RunResult:
    """Return the summary of a run.

    Args:
        setup: the run.
        state: its counts.
        status: how it ended.
        predictions: the final weights' answers, for a run that is done.
        views: the errors of the final weights on other views, for a run that is done.
        last_step: the answers of the weights of the last step, for a run that is done and keeps others.
    """
    views = views or ViewPredictions()
    split, recipe = setup.dataset.split_name, setup.recipe
    images_seen = state.step * setup.batches.batch_size
    passes = Counter({setup.image_size: state.evaluated})
    passes.update({side: count * len(setup.dataset.test) for side, count in views.passes.items()})
    error, top5_error = predictions.errors if predictions is not None else (None, None)
    is_test, watches_test = split == "test", setup.dataset.watched_name == "test"
    # A run that was resumed from a checkpoint before format 3 may have counted only a part of its end.
    images_at_the_end = (setup.steps - steps_before_the_end(setup.steps)) * setup.batches.batch_size
    has_end = status == "done" and state.end_seen == images_at_the_end
    return RunResult(
        model=setup.model,
        design=setup.design,
        data=setup.dataset.name,
        recipe=recipe.name,
        precision=recipe.precision,
        seed=recipe.seed,
        status=status,
        parameters=count_parameters(setup.network),
        steps=state.step,
        images_seen=images_seen,
        train_flops=setup.train_flops(state.step),
        evaluation_flops=sum(2 * setup.count_multiply_adds(side) * count for side, count in passes.items()),
        wall_seconds=state.seconds,
        images_per_second=images_seen / state.training_seconds if state.training_seconds else None,
        split=split,
        test_error=error if is_test else None,
        best_test_error=state.best_error if watches_test else None,
        test_top5_error=top5_error if is_test else None,
        validation_error=None if is_test else error,
        best_validation_error=None if watches_test else state.best_error,
        validation_top5_error=None if is_test else top5_error,
        best_epoch=state.best_epoch,
        last_step_error=None if last_step is None else last_step.errors.error,
        kept_epoch=_epoch_of_weights(setup, state) if status == "done" else None,
        views=views.errors,
        train_loss=state.end_loss_sum / state.end_seen if has_end else None,
        train_error=100 * state.end_wrong / state.end_seen if has_end else None,
    )


def _epoch_of_weights(setup: TrainingSetup, state: TrainingState) -> float | None:
    """Return the epoch after which the weights of a run that is done were taken."""
    return state.best_epoch if setup.recipe.keep_best else setup.epoch_at(state.step)


def describe_evaluation(setup: TrainingSetup, predictions: Predictions) -> Evaluation:
    """Return the confusion matrix of the final weights, their worst mistakes, and a sample of their answers."""
    worst, spread = predictions.find_worst_mistakes(MISTAKES_SHOWN), spread_over(len(predictions.labels))
    indices = [*worst, *spread]
    pictures = torch.cat(list(setup.dataset.test.pictures(torch.tensor(indices, dtype=torch.int64))))
    evidence = chain(_draw_evidence_in(pictures[: len(worst)], setup), repeat(None))
    classes = setup.dataset.classes
    answers = [
        _answer_to(index, predictions, classes, picture, where)
        for index, picture, where in zip(indices, pictures, evidence, strict=False)
    ]
    return Evaluation(
        split=setup.dataset.split_name,
        classes=classes,
        confusion=predictions.confusion(),
        mistakes=tuple(answers[: len(worst)]),
        predictions=tuple(answers[len(worst) :]),
        calibration=measure_calibration(predictions.probabilities, predictions.labels),
    )


def spread_over(images: int) -> list[int]:
    """Return at most `PREDICTIONS_SHOWN` indices below the number of images, at equal distances.

    Splits are often sorted by class, so the images are of many classes.
    """
    shown = min(PREDICTIONS_SHOWN, images)
    return [place * images // shown for place in range(shown)]


def _answer_to(
    index: int, predictions: Predictions, classes: Sequence[str], picture: Tensor, evidence: str | None
) -> Prediction:
    """Return the answer to the image `index` of the split, with the image itself (3, H, W) uint8."""
    true, predicted = int(predictions.labels[index]), int(predictions.predicted[index])
    probabilities = predictions.probabilities[index]
    return Prediction(
        index=index,
        true=classes[true],
        predicted=classes[predicted],
        probability=probabilities[predicted].item(),
        true_probability=probabilities[true].item(),
        image=data_uri(picture),
        evidence=evidence,
    )


def _draw_evidence_in(pictures: Tensor, setup: TrainingSetup) -> list[str | None]:
    """Return where the evidence for the answers to pictures (N, 3, H, W) uint8 lies, as data URIs.

    A network without one linear layer after a mean has no such map.
    """
    network = setup.kept.network
    if not len(pictures) or not isinstance(network, ResidualNetwork):
        return [None] * len(pictures)
    if not isinstance(network.classifier, nn.Linear):
        return [None] * len(pictures)
    images, precision = pictures.to(setup.distributed.device), setup.recipe.precision
    was_training = network.training
    network.eval()
    found = compute_mapped_logits(network, network.classifier, images, setup.normalisation, precision)
    network.train(was_training)
    return [draw_evidence(evidence) for evidence in found.maps.cpu()]
