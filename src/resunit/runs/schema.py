"""The records that a run writes: frozen, typed, and with a format number, so that they can be read for ever.

`FORMAT` is the newest format of each record. Format 1 is what resunit wrote before records had a number;
`runs/record_files.py` upgrades an older record to the newest format, and refuses a record of a newer one.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from resunit.runs.machine import Machine
from resunit.runs.notebook import render_result

SplitName = Literal["test", "validation"]
Status = Literal["done", "diverged", "stopped", "failed"]
Given = Literal["data", "model"]
ViewName = Literal["mirror", "tta", "large_crop", "ten_crops"]


@dataclass(frozen=True)
class ViewError:
    """The errors, in percent, on views of each image other than the plain one."""

    view: ViewName
    """"mirror" averages over the image and its mirror image, "tta" over shifted and mirrored images."""
    error: float
    top5_error: float | None = None


@dataclass(frozen=True)
class RunResult:
    """The summary of one run, as result.json holds it; errors are in percent.

    Errors on images that the run was not judged on are None. A run with validation and test images has its lowest
    error on the validation images, and its last error on the test images. `test_error` is of the last epoch and of one
    plain view of each image; errors on several views stand in `views`. With an average of the weights, or with the
    best ones kept, all errors are of the weights that were kept, and only `last_step_error` is of others.
    """

    FORMAT: ClassVar[int] = 4

    model: str
    design: str
    data: str
    recipe: str
    precision: str
    seed: int
    status: Status
    parameters: int
    steps: int
    images_seen: int
    train_flops: int
    """Training arithmetic: convolutions and linear layers, 2 per multiply-add, forward and backward."""
    evaluation_flops: int
    wall_seconds: float
    images_per_second: float | None
    split: SplitName = "test"
    """The images that the run was judged on at its end."""
    test_error: float | None = None
    best_test_error: float | None = None
    test_top5_error: float | None = None
    validation_error: float | None = None
    best_validation_error: float | None = None
    validation_top5_error: float | None = None
    best_epoch: float | None = None
    last_step_error: float | None = None
    """The error of the weights that the last step left, on the same images, where the run keeps other weights."""
    kept_epoch: float | None = None
    """The epoch after which the kept weights were taken; None for runs that are not done, and before format 4."""
    views: tuple[ViewError, ...] = ()
    train_loss: float | None = None
    """The mean loss on the training batches, as they are augmented, over the last twentieth of the steps."""
    train_error: float | None = None
    """The wrong answers on these batches; both are None for runs that are not done or that ended early, and before
    format 3."""
    format: int = FORMAT

    @property
    def error(self) -> float | None:
        """The error in percent on the images that the run was judged on."""
        return self.validation_error if self.split == "validation" else self.test_error

    @property
    def best_error(self) -> float | None:
        """The lowest error in percent of all evaluations during training, which were on the `watched` images."""
        return self.best_validation_error if self.watched == "validation" else self.best_test_error

    @property
    def kept_at(self) -> str:
        """The words for when the kept weights of a run that is done were taken: at the last epoch, or earlier."""
        keeps_best = self.kept_epoch is not None and self.kept_epoch == self.best_epoch
        return (
            f"epoch {self.kept_epoch:.4g}"
            if keeps_best and self.last_step_error is not None
            else "last epoch"
        )

    @property
    def watched(self) -> SplitName:
        """The images of the evaluations during training: validation images if there are both kinds."""
        return "test" if self.best_validation_error is None and self.split == "test" else "validation"

    @property
    def top5_error(self) -> float | None:
        """The top-5 error in percent on the images that the run was judged on, where there are at least 100 classes."""
        return self.validation_top5_error if self.split == "validation" else self.test_top5_error

    def view(self, name: ViewName) -> ViewError | None:
        """Return the errors on the view called `name`, if the run was evaluated on it."""
        return next((found for found in self.views if found.view == name), None)

    def _repr_html_(self) -> str:
        return render_result(self)


@dataclass(frozen=True)
class LogLine:
    """One evaluation during training, a line of log.jsonl; errors are in percent, and None if they are not finite."""

    FORMAT: ClassVar[int] = 2

    step: int
    epoch: float
    train_loss: float | None
    train_error: float | None
    split: SplitName
    loss: float | None
    """Mean cross-entropy on the split's images; None if it is not finite."""
    error: float | None
    images: int
    """The number of the split's images that were evaluated."""
    learning_rate: float | None = None
    images_per_second: float | None = None
    seconds: float | None = None
    """Wall-clock time since the run began."""
    format: int = FORMAT


@dataclass(frozen=True)
class PropagationLine:
    """One measurement of the signal during training, a line of propagation.jsonl.

    `measures` maps the name of a measure, an attribute of `propagation.Junction`, to its value at each junction. Of a
    network without junctions `junctions` names the weight layers, and the measures are those of `propagation.Layer`.
    `refused` says why nothing could be measured; it is None if something was.
    """

    FORMAT: ClassVar[int] = 3

    step: int
    epoch: float
    junctions: tuple[str, ...] = ()
    measures: Mapping[str, tuple[float | None, ...]] = field(default_factory=dict)
    unseen: tuple[str, ...] = ()
    refused: str | None = None
    verdict: str | None = None
    """Whether the signal passes directly, in the sentence of `propagation.Verdict`; None before format 3."""
    format: int = FORMAT


@dataclass(frozen=True)
class Prediction:
    """The answer to one image."""

    index: int
    """The number of the image in its split."""
    true: str
    predicted: str
    probability: float
    """The probability of the predicted class."""
    true_probability: float
    image: str
    """The image, or a smaller copy, as a data URI."""
    evidence: str | None = None
    """Where the evidence for the predicted class lies: the class activation map as a picture, a data URI with a pixel
    for each place. None before format 4, and where no map was made."""

    @property
    def is_right(self) -> bool:
        """Whether the predicted class is the true one."""
        return self.predicted == self.true


@dataclass(frozen=True)
class CalibrationBin:
    """The images whose answer has a probability in one range."""

    images: int
    probability: float
    """The mean probability of the answers."""
    right: float
    """The share of right answers."""


@dataclass(frozen=True)
class Calibration:
    """How well the probabilities of answers agree with the shares of right answers (Guo et al. 2017)."""

    error: float
    """The expected calibration error on all images, in percentage points."""
    temperature: float
    """The number by which the logits are divided. It minimises the cross-entropy of every second image, from the first
    one on."""
    error_before: float
    """The expected calibration error on the other images, in percentage points."""
    error_after: float
    """The expected calibration error on the other images once the logits are divided by the temperature."""
    bins: tuple[CalibrationBin, ...]
    """The ranges of equal width that hold images, by ascending probability."""


@dataclass(frozen=True)
class Evaluation:
    """The confusion matrix of the final weights and examples of their answers, as evaluation.json holds them."""

    FORMAT: ClassVar[int] = 4

    split: SplitName
    classes: tuple[str, ...]
    confusion: tuple[tuple[int, ...], ...]
    """Counts; rows are the true class and columns the predicted one. There are no rows for more than 2,000 classes."""
    mistakes: tuple[Prediction, ...] = ()
    """The wrong answers with the highest probabilities, the highest first."""
    predictions: tuple[Prediction, ...] = ()
    """Answers to images at equal distances in the split, right and wrong; the first evaluations had none."""
    calibration: Calibration | None = None
    """None before format 3, and for a single image."""
    format: int = FORMAT


@dataclass(frozen=True)
class Lengthening:
    """A new total length that a run got when it was resumed."""

    after: int
    """The steps that were done."""
    steps: int
    """The new total of steps, over which the learning rate schedule was stretched."""


@dataclass(frozen=True)
class Environment(Machine):
    """Where and when a run happened, its recipe, and everything else that its bitwise repetition depends on."""

    FORMAT: ClassVar[int] = 2

    device: str
    gpu: str | None
    world_size: int
    precision: str
    data_checksum: str | None = None
    weights_checksum: str | None = None
    """The SHA-256 of the weights file that the run started from; None for random weights."""
    started: str | None = None
    """The time in UTC at which the run was first started, as ISO 8601 writes it."""
    host: str | None = None
    """The name of the machine in its network."""
    command: str | None = None
    """The command that started the run, as it was typed; None for a run that Python code started."""
    recipe: Mapping[str, Any] | None = None
    """The recipe that the run began with, or got with a new length, as recipe.json held it; the first environments
    had none."""
    data_notes: tuple[str, ...] = ()
    """What a user should know about the images: which files were not used, and which had to be changed."""
    lengthened: tuple[Lengthening, ...] = ()
    """The total lengths that the run got later; its recipe alone does not repeat such a run."""
    given: tuple[Given, ...] = ()
    """What Python code gave to the run, its images or its network; its recipe alone does not repeat such a run."""
    format: int = FORMAT


@dataclass(frozen=True)
class CurvePoint:
    """A point of a run's training curve; errors are in percent."""

    step: int
    train_loss: float | None = None
    train_error: float | None = None
    test_error: float | None = None
    test_images: int | None = None


@dataclass(frozen=True)
class PropagationPoint:
    """The measures of the signal at one step of a run, with one value for each junction."""

    step: int
    measures: Mapping[str, tuple[float | None, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class ExperimentRecord:
    """The settings and the results of one run of a row of the paper's tables. Errors are in percent.

    `test_error` and the like are of the images that the run was judged on, which `split` names.
    `train_loss` and `train_error` are of the training batches, over the last twentieth of the steps.
    Runs that diverged or failed have no errors.
    """

    FORMAT: ClassVar[int] = 3

    table: str
    row: str
    model: str
    design: str
    options: Mapping[str, Any]
    data: str
    scale: str
    steps: int
    batch_size: int
    precision: str
    seed: int
    status: Status
    numerics: int
    identity: str
    recipe: str = ""
    """A hash of the recipe's fields that this record does not have; the first records had no hash."""
    crop: str = "shift"
    error: str | None = None
    """Why the run failed, if it did."""
    test_error: float | None = None
    train_loss: float | None = None
    steps_done: int | None = None
    split: SplitName = "test"
    classes: int | None = None
    test_loss: float | None = None
    test_top5_error: float | None = None
    test_error_large_crop: float | None = None
    test_top5_error_large_crop: float | None = None
    train_error: float | None = None
    parameters: int | None = None
    train_flops: int | None = None
    wall_seconds: float | None = None
    images_per_second: float | None = None
    activation_checkpointing: str | None = None
    threads: int | None = None
    cores: int | None = None
    torch: str | None = None
    commit: str | None = None
    batch_norm: str | None = None
    machine: str | None = None
    version: str | None = None
    curve: tuple[CurvePoint, ...] = ()
    propagation: tuple[PropagationPoint, ...] = ()
    format: int = FORMAT
