"""What a run's records say, in sentences. Backticks mark what a user would type."""

import math
import shlex
from collections.abc import Iterator

from resunit.io.format import percent
from resunit.runs.read import Run, is_number

# Errors closer than this, in points, are not told apart when asking where a curve flattened.
SAME_ERROR = 0.1


def findings(run: Run) -> list[str]:
    """Everything worth saying about a run, what qualifies the numbers first."""
    return [*_ending(run), *_data(run), *_error(run), *_gap(run), *_progress(run), *_classes(run)]


def _ending(run: Run) -> Iterator[str]:
    step, status = run.result.get("steps"), run.result.get("status")
    if status == "stopped":
        planned = run.recipe.get("steps")
        of_planned = f" of {planned:,}" if is_number(planned) else ""
        resume = f"resunit train --resume {shlex.quote(str(run.folder))}"
        yield f"The run was stopped at step {step:,}{of_planned} and is not finished. `{resume}` carries on."
    if status == "diverged":
        rate = run.recipe["learning_rate"]
        yield (
            f"The run diverged: its numbers were no longer finite at step {step:,}. Resuming would only "
            f"repeat that; start again with a learning rate below {rate:g} or with a longer warm-up."
        )
    if not run.errors:
        yield "It ended before its first evaluation, so there is no error to report."


def _data(run: Run) -> Iterator[str]:
    if run.recipe.get("data") == "cifar10-sample":
        yield (
            "The data is a small sample of CIFAR-10 with 1,000 training images. The error shows that "
            "training works; it is not comparable with any number published for CIFAR-10."
        )
    if run.split == "validation":
        yield (
            "The error is measured on images held out of training, not on a test set: "
            "fit for choosing between runs, not for reporting."
        )


def _error(run: Run) -> Iterator[str]:
    last, best, epoch = (
        run.last_error,
        run.result.get(f"best_{run.split}_error"),
        run.result.get("best_epoch"),
    )
    if last is None:
        return
    at_the_end = "at the last epoch" if run.result.get("status") == "done" else "at the last evaluation"
    if len(run.errors) > 1 and is_number(best) and is_number(epoch):
        if last - best < 0.005:
            yield f"The {run.split} error is {percent(last)} {at_the_end}, which is also the best of the run."
        else:
            yield (
                f"The {run.split} error is {percent(last)} {at_the_end}. The best epoch, chosen on the "
                f"{run.split} set, is epoch {epoch:.4g} with {percent(best)}: "
                f"{last - best:.2f} points lower, and flattered by the choice."
            )
    else:
        yield f"The {run.split} error is {percent(last)} {at_the_end}."
    confusion = run.confusion
    if confusion is None:
        return
    classes = len(confusion.classes)
    if last >= 100 * (1 - 1 / classes) - 1:
        yield f"That is what guessing among {classes} classes gives: the network learned nothing."
    elif confusion.images:
        least, most = _wilson_interval(last / 100, confusion.images)
        yield (
            f"Measured on {confusion.images:,} images, the error lies between {percent(100 * least)} and "
            f"{percent(100 * most)} (95 % interval); another seed moves it as well."
        )


def _wilson_interval(share: float, images: int) -> tuple[float, float]:
    """The 95 % interval of a share of that many images (Wilson): sound for few images and near 0.

    scipy has it too, but takes twice as long to import as the page takes to write.
    """
    z = 1.96
    centre = share + z**2 / (2 * images)
    half_width = z * math.sqrt(share * (1 - share) / images + z**2 / (4 * images**2))
    scale = 1 + z**2 / images
    return max(0.0, (centre - half_width) / scale), min(1.0, (centre + half_width) / scale)


def _gap(run: Run) -> Iterator[str]:
    if not run.log:
        return
    train, held_out = run.log[-1].get("train_error"), run.log[-1].get(f"{run.split}_error")
    if not (is_number(train) and is_number(held_out)):
        return
    if train <= held_out:
        yield (
            f"The training error ends at {percent(train)}, "
            f"{held_out - train:.2f} points below the {run.split} error."
        )
    else:
        yield (
            f"The training error ends at {percent(train)}, {train - held_out:.2f} points above the "
            f"{run.split} error: it is counted during the epoch, on augmented images."
        )


def _progress(run: Run) -> Iterator[str]:
    if len(run.errors) < 3:
        return
    lowest = min(error for _, error in run.errors)
    flat_from = next(epoch for epoch, error in run.errors if error <= lowest + SAME_ERROR)
    last_epoch = run.errors[-1][0]
    if flat_from > 0.9 * last_epoch:
        yield (
            f"The {run.split} error was still falling in the last tenth of the run: "
            "training longer may lower it further."
        )
    else:
        yield (
            f"The {run.split} error stopped improving at epoch {flat_from:.4g} of {last_epoch:.4g}: "
            f"no later evaluation is better by more than {SAME_ERROR:g} points."
        )


def _classes(run: Run) -> Iterator[str]:
    confusion = run.confusion
    if confusion is None:
        return
    pair = confusion.most_confused()
    if pair:
        a, b = pair
        a_as_b, b_as_a = confusion.counts[a][b], confusion.counts[b][a]
        a_name, b_name = confusion.classes[a], confusion.classes[b]
        yield (
            f"The two classes confused most often are {a_name} and {b_name}, {a_as_b + b_as_a:,} times: "
            f"{a_name} was taken for {b_name} {a_as_b:,} times, {b_name} for {a_name} {b_as_a:,} times."
        )
    errors = confusion.hardest_first()
    if errors and errors[0].error > errors[-1].error:
        hardest, easiest = errors[0], errors[-1]
        yield (
            f"The hardest class is {hardest.name}, {percent(hardest.error)} wrong; "
            f"the easiest is {easiest.name}, {percent(easiest.error)}."
        )
