"""A run's records, read back from its folder."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeGuard

from resunit.errors import RunError
from resunit.runs.confusion import Confusion
from resunit.runs.folder import RunFolder, resume_command
from resunit.runs.judged_images import are_few
from resunit.runs.recipe_format import upgrade_recipe
from resunit.runs.schema import Environment, Evaluation, LogLine, PropagationLine, RunResult, SplitName


@dataclass(frozen=True)
class Run:
    """The records of one run that is done, diverged or stopped; all are of the newest format.

    Attributes:
        recipe: the JSON object of recipe.json.
        environment: where the run happened; None if the run did not record it.
        log: one line per evaluation, in the order of the steps.
        propagation: one line per measurement of the signal, in the order of the steps.
        evaluation: the confusion matrix of the final weights and their worst mistakes; None if the final
            weights were not evaluated.
    """

    folder: Path
    recipe: Mapping[str, Any]
    environment: Environment | None
    log: tuple[LogLine, ...]
    propagation: tuple[PropagationLine, ...]
    result: RunResult
    evaluation: Evaluation | None

    @property
    def split(self) -> SplitName:
        """The images that the run was judged on."""
        return self.result.split

    @property
    def watched(self) -> SplitName:
        """The images of the evaluations during training."""
        return self.log[-1].split if self.log else self.result.watched

    @property
    def last_split(self) -> SplitName:
        """The images that `last_error` was measured on."""
        return self.split if is_finite(self.result.error) else self.watched

    @property
    def confusion(self) -> Confusion | None:
        """The confusion matrix of the final weights, if they were evaluated on few enough classes to have one."""
        if self.evaluation is None or not self.evaluation.confusion:
            return None
        return Confusion(self.evaluation.classes, self.evaluation.confusion)

    @property
    def judged_images(self) -> int | None:
        """The number of images that the newest weights were judged on; None before the first evaluation."""
        if self.confusion is not None:
            return self.confusion.images
        return self.log[-1].images if self.log else None

    @property
    def has_few_images(self) -> bool:
        """Whether the run was judged on too few images for any conclusion."""
        classes = len(self.evaluation.classes) if self.evaluation else None
        return self.judged_images is not None and are_few(self.judged_images, classes)

    @property
    def errors(self) -> list[tuple[float, float]]:
        """The epoch and the error in percent of every evaluation whose error is finite."""
        return [(line.epoch, line.error) for line in self.log if is_finite(line.error)]

    @property
    def evaluated_images(self) -> int:
        """The number of images of the evaluations that saw the most; 0 before the first evaluation."""
        return max((line.images for line in self.log), default=0)

    @property
    def whole_errors(self) -> list[tuple[float, float]]:
        """Those of `errors` that were measured on `evaluated_images` images, so that one compares with another."""
        return [
            (line.epoch, line.error)
            for line in self.log
            if is_finite(line.error) and line.images == self.evaluated_images
        ]

    @property
    def last_error(self) -> float | None:
        """The error in percent of the newest weights that were evaluated."""
        if is_finite(self.result.error):
            return self.result.error
        return self.errors[-1][1] if self.errors else None


def read_run(folder: Path) -> Run:
    """Return the records in a run's folder, upgraded from older formats.

    Raises:
        RunError: the folder is not a run's, or the run has no result yet.
        FileFormatError: a record is damaged or of a newer format; the message names the file.
    """
    run = RunFolder(folder)
    recipe, result = run.read_recipe(), run.read_result()
    if result is None:
        raise RunError(
            f"{folder}: no result.json there, so the run has not ended; wait for it, or continue it with "
            f"`{resume_command(folder)}`"
        )
    return Run(
        folder=folder,
        recipe=upgrade_recipe(recipe, str(run.recipe)),
        environment=run.read_environment(),
        log=tuple(run.read_log()),
        propagation=tuple(run.read_propagation()),
        result=result,
        evaluation=run.read_evaluation(),
    )


def is_finite(value: float | None) -> TypeGuard[float]:
    """Return whether a recorded number is there and finite: old records of diverged runs hold NaN."""
    return value is not None and math.isfinite(value)
