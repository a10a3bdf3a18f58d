"""Findings about one run: sentences that say what its records mean. Backticks mark what a user would type."""

import math
from collections.abc import Iterator

from resunit.io.format import format_count, format_percent
from resunit.runs.folder import resume_command
from resunit.runs.judged_images import FEWEST_IMAGES, FEWEST_IMAGES_A_CLASS
from resunit.runs.read import Run, is_finite

# Two errors that differ by less count as equal in the search for the point where a curve became flat.
SAME_ERROR_IN_POINTS = 0.1

NOTES_SHOWN = 10  # The rest stands in environment.json.

# An error this close to the error of guessing shows that nothing was learned.
NEAR_CHANCE_IN_POINTS = 1.0


def find_in_run(run: Run) -> list[str]:
    """Return the findings about a run; findings that limit the meaning of its numbers come first.

    From few judged images no conclusion is drawn.
    """
    limits = [*_judge_end(run), *_judge_data(run)]
    if run.has_few_images:
        return [*limits, *_judge_number_of_images(run)]
    return [
        *limits,
        *_judge_error(run),
        *_judge_kept_weights(run),
        *_judge_certainty(run),
        *_judge_training_error(run),
        *_judge_progress(run),
        *_judge_classes(run),
    ]


def _judge_end(run: Run) -> Iterator[str]:
    if run.environment is not None:
        if given := run.environment.given:
            things = " and its ".join({"data": "images", "model": "network"}[name] for name in given)
            yield (
                f"Python code gave this run its {things}, so recipe.json alone does not repeat it; the same code "
                "with the same recipe does."
            )
        for longer in run.environment.lengthened:
            yield (
                f"The run was lengthened after step {longer.after:,} to {longer.steps:,} steps, over which its "
                "schedule was stretched; its recipe alone does not repeat it."
            )
    steps = run.result.steps
    if run.result.status == "stopped":
        planned = run.recipe.get("steps")
        of_planned = f" of {planned:,}" if isinstance(planned, int) else ""
        yield f"The run was stopped at step {steps:,}{of_planned}. `{resume_command(run.folder)}` continues the run."
    if run.result.status == "diverged":
        rate = run.recipe.get("learning_rate")
        lower = (
            f"a learning rate below {rate:g}" if isinstance(rate, int | float) else "a lower learning rate"
        )
        yield (
            f"The run diverged: its numbers were no longer finite at step {steps:,}. Resuming would only "
            f"repeat that; start a new run with {lower} or with a longer warm-up."
        )
    if not run.errors:
        yield "The run ended before its first evaluation, so there is no error to report."


def _judge_data(run: Run) -> Iterator[str]:
    if run.result.data == "cifar10-sample":
        yield (
            "The data set is a small sample of CIFAR-10 with 1,000 training images. The error shows that "
            "training works; it is not comparable with any number published for CIFAR-10."
        )
    if run.split == "validation":
        yield (
            "The error is measured on images that were held out of training, not on a test set. "
            "Use it to choose between runs, and report an error on the test set instead."
        )
    if run.environment is not None:
        yield from (f"About the images: {note}." for note in run.environment.data_notes[:NOTES_SHOWN])


def _judge_number_of_images(run: Run) -> Iterator[str]:
    images = format_count(run.judged_images or 0, "image")
    limit = f"fewer than {FEWEST_IMAGES}"
    if (run.judged_images or 0) >= FEWEST_IMAGES and run.confusion is not None:
        images += f" of {len(run.confusion.classes)} classes"
        limit = f"fewer than {FEWEST_IMAGES_A_CLASS} a class"
    error = (
        ""
        if run.last_error is None
        else f" The {run.split} error on them is {format_percent(run.last_error)}."
    )
    yield (
        f"Only {images} were judged, {limit}, so this page draws no conclusion from them.{error} "
        "Put more images into the test or val folder, or hold out more with `--validation`."
    )


def _judge_error(run: Run) -> Iterator[str]:
    last, best, best_epoch = run.last_error, run.result.best_error, run.result.best_epoch
    if last is None:
        return
    kept_at = "the last epoch" if run.result.kept_at == "last epoch" else run.result.kept_at
    if run.last_split != run.watched:
        yield f"The {run.last_split} error is {format_percent(last)} at {kept_at}."
        if is_finite(best) and is_finite(best_epoch):
            yield (
                f"The lowest {run.watched} error is {format_percent(best)} at epoch {best_epoch:.4g}. "
                f"The {run.last_split} images had no part in the training and in no choice."
            )
        return
    when = f"at {kept_at}" if run.result.status == "done" else "at the last evaluation"
    error = f"The {run.last_split} error is {format_percent(last)} {when}"
    if len(run.whole_errors) < 2 or not (is_finite(best) and is_finite(best_epoch)):
        yield f"{error}."
    elif last - best < 0.005:
        yield f"{error}, which is also the lowest error of the run."
    else:
        yield (
            f"{error}. The lowest error is {format_percent(best)} at epoch {best_epoch:.4g}, "
            f"{last - best:.2f} points lower. It is optimistic, because the epoch was chosen on the same "
            f"{run.watched} images."
        )


def _judge_kept_weights(run: Run) -> Iterator[str]:
    if not is_finite(last_step := run.result.last_step_error):
        return
    decay, is_chosen = run.recipe.get("ema_decay"), run.recipe.get("keep_best")
    kept = "an average of the weights of many steps" if decay else "the weights of one evaluation"
    chosen = ", chosen by its validation error" if is_chosen else ""
    yield (
        f"The run keeps {kept}{chosen}. The weights of its last step have a {run.split} error of "
        f"{format_percent(last_step)}."
    )


def _judge_certainty(run: Run) -> Iterator[str]:
    last, confusion = run.last_error, run.confusion
    if last is None or confusion is None:
        return
    classes = len(confusion.classes)
    if last >= 100 * (1 - 1 / classes) - NEAR_CHANCE_IN_POINTS:
        yield f"Guessing among {classes} classes gives the same error: the network learned nothing."
    elif confusion.images:
        low, high = _wilson_interval(last / 100, confusion.images)
        yield (
            f"The error was measured on {confusion.images:,} images, so its 95 % interval is "
            f"{format_percent(100 * low)} to {format_percent(100 * high)}. "
            "A run with another seed gives another error as well."
        )


def _wilson_interval(share: float, images: int) -> tuple[float, float]:
    """Return the 95 % interval of a share that was measured on a number of images (Wilson 1927).

    The interval is sound for few images and for shares near 0. scipy offers it too, but takes twice as long
    to import as the page takes to write.
    """
    z = 1.96
    centre = share + z**2 / (2 * images)
    half_width = z * math.sqrt(share * (1 - share) / images + z**2 / (4 * images**2))
    scale = 1 + z**2 / images
    return max(0.0, (centre - half_width) / scale), min(1.0, (centre + half_width) / scale)


def _judge_training_error(run: Run) -> Iterator[str]:
    if not run.log:
        return
    train_error, error = run.log[-1].train_error, run.log[-1].error
    if not (is_finite(train_error) and is_finite(error)):
        return
    if train_error <= error:
        yield (
            f"The training error ends at {format_percent(train_error)}, "
            f"{error - train_error:.2f} points below the {run.watched} error."
        )
    else:
        yield (
            f"The training error ends at {format_percent(train_error)}, {train_error - error:.2f} points above the "
            f"{run.watched} error, because it is counted during the epoch and on augmented images."
        )


def _judge_progress(run: Run) -> Iterator[str]:
    if fewer := {line.images for line in run.log if line.images < run.evaluated_images}:
        yield (
            f"Some evaluations used only {min(fewer):,} of the {run.evaluated_images:,} {run.watched} images; their "
            "errors are in the curves, and no finding compares them with the others."
        )
    if len(run.whole_errors) < 3:
        return
    lowest = min(error for _, error in run.whole_errors)
    flat_from = next(epoch for epoch, error in run.whole_errors if error <= lowest + SAME_ERROR_IN_POINTS)
    last_epoch = run.whole_errors[-1][0]
    if flat_from > 0.9 * last_epoch:
        yield (
            f"The {run.watched} error was still falling in the last tenth of the run, "
            "so longer training may lower it further."
        )
    else:
        yield (
            f"The {run.watched} error stopped improving at epoch {flat_from:.4g} of {last_epoch:.4g}: "
            f"no later evaluation is better by more than {SAME_ERROR_IN_POINTS:g} points."
        )


def _judge_classes(run: Run) -> Iterator[str]:
    confusion = run.confusion
    if confusion is None:
        return
    enough = [error for error in confusion.sort_hardest_first() if error.images >= FEWEST_IMAGES_A_CLASS]
    if thin := len(confusion.classes) - len(enough):
        yield (
            f"Of {format_count(thin, 'class', 'classes')} fewer than {FEWEST_IMAGES_A_CLASS} images were judged, "
            "so no conclusion is drawn about them."
        )
    pair = confusion.find_most_confused()
    if pair is not None and {confusion.classes[i] for i in pair} <= {error.name for error in enough}:
        a, b = pair
        a_as_b, b_as_a = confusion.counts[a][b], confusion.counts[b][a]
        a_name, b_name = confusion.classes[a], confusion.classes[b]
        yield (
            f"The two classes confused most often are {a_name} and {b_name}, {a_as_b + b_as_a:,} times: "
            f"{a_name} was taken for {b_name} {a_as_b:,} times, {b_name} for {a_name} {b_as_a:,} times."
        )
    if enough and enough[0].error > enough[-1].error:
        hardest, easiest = enough[0], enough[-1]
        yield (
            f"The hardest class is {hardest.name} with an error of {format_percent(hardest.error)}; "
            f"the easiest is {easiest.name} with {format_percent(easiest.error)}."
        )
