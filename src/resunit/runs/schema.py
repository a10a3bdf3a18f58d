"""The records that a run writes: frozen, typed, and with a format number, so that they can be read for ever.

`FORMAT` is the newest format of each record. Format 1 is what resunit wrote before records had a number;
an older record is upgraded to the newest format. A record of a newer format is refused.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol, TypeAlias, TypeVar

from resunit.errors import FileFormatError, UsageError
from resunit.io.atomic import write_atomically
from resunit.io.fields import from_json, to_json
from resunit.io.json_text import parse_json
from resunit.io.jsonl import append_lines, read_lines
from resunit.runs.upgrades import (
    upgrade_end_of_training,
    upgrade_environment,
    upgrade_experiment,
    upgrade_log_line,
    upgrade_propagation_line,
    upgrade_result,
)

Split = Literal["test", "validation"]
Status = Literal["done", "diverged", "stopped", "failed"]
View = Literal["mirror", "tta", "large_crop", "ten_crops"]


@dataclass(frozen=True)
class ViewError:
    """The errors, in percent, on views of each image other than the plain one."""

    view: View
    """"mirror" averages over the image and its mirror image, "tta" over shifted and mirrored images."""
    error: float
    top5_error: float | None = None


@dataclass(frozen=True)
class RunResult:
    """The summary of one run, as result.json holds it; errors are in percent.

    Errors on images that the run was not judged on are None. A run with validation and test images has the
    lowest error on the former and the last one on the latter. `test_error` is of the last epoch and of one
    plain view of each image; errors on several views stand in `views`.
    """

    FORMAT: ClassVar[int] = 3

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
    split: Split = "test"
    """The images that the run was judged on at its end."""
    test_error: float | None = None
    best_test_error: float | None = None
    test_top5_error: float | None = None
    validation_error: float | None = None
    best_validation_error: float | None = None
    validation_top5_error: float | None = None
    best_epoch: float | None = None
    views: tuple[ViewError, ...] = ()
    train_loss: float | None = None
    """The mean loss on the training batches, as they are augmented, over the last twentieth of the steps."""
    train_error: float | None = None
    """The wrong answers on these batches; both are None for runs that are not done, and before format 3."""
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
    def watched(self) -> Split:
        """The images of the evaluations during training: validation images if there are both kinds."""
        return "test" if self.best_validation_error is None and self.split == "test" else "validation"

    @property
    def top5_error(self) -> float | None:
        """The top-5 error in percent on those images, where there are at least 100 classes."""
        return self.validation_top5_error if self.split == "validation" else self.test_top5_error

    def view(self, name: View) -> ViewError | None:
        """Return the errors on the view called `name`, if the run was evaluated on it."""
        return next((found for found in self.views if found.view == name), None)


@dataclass(frozen=True)
class LogLine:
    """One evaluation during training, a line of log.jsonl; errors are in percent, and None if they are not finite."""

    FORMAT: ClassVar[int] = 2

    step: int
    epoch: float
    train_loss: float | None
    train_error: float | None
    split: Split
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

    `measures` maps the name of a measure, an attribute of `propagation.Junction`, to its value at each junction.
    `refused` says why nothing could be measured; it is None if something was.
    """

    FORMAT: ClassVar[int] = 2

    step: int
    epoch: float
    junctions: tuple[str, ...] = ()
    measures: Mapping[str, tuple[float | None, ...]] = field(default_factory=dict)
    unseen: tuple[str, ...] = ()
    refused: str | None = None
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

    @property
    def is_right(self) -> bool:
        """Whether the predicted class is the true one."""
        return self.predicted == self.true


@dataclass(frozen=True)
class Evaluation:
    """The confusion matrix of the final weights and examples of their answers, as evaluation.json holds them."""

    FORMAT: ClassVar[int] = 2

    split: Split
    classes: tuple[str, ...]
    confusion: tuple[tuple[int, ...], ...]
    """Counts; rows are the true class and columns the predicted one."""
    mistakes: tuple[Prediction, ...] = ()
    """The wrong answers with the highest probabilities, the highest first."""
    predictions: tuple[Prediction, ...] = ()
    """Answers to images at equal distances in the split, right and wrong; the first evaluations had none."""
    format: int = FORMAT


@dataclass(frozen=True)
class Environment:
    """Where and when a run happened, its recipe, and everything else that its bitwise repetition depends on."""

    FORMAT: ClassVar[int] = 2

    resunit: str
    commit: str | None
    python: str
    torch: str
    torchvision: str
    numpy: str
    machine: str
    processor: str
    cpu_capability: str
    batch_norm: str
    """"compiled" for our C++ kernels, else "torch"."""
    threads: int
    cores: int | None
    device: str
    gpu: str | None
    world_size: int
    precision: str
    data_checksum: str | None = None
    started: str | None = None
    """The time in UTC at which the run was first started, as ISO 8601 writes it."""
    host: str | None = None
    """The name of the machine in its network."""
    command: str | None = None
    """The command that started the run, as it was typed; None for a run that Python code started."""
    recipe: Mapping[str, Any] | None = None
    """The recipe that the run began with, as recipe.json held it; the first environments had none."""
    data_notes: tuple[str, ...] = ()
    """What a user should know about the images: which files were not used, and which had to be changed."""
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
    """What was measured of the signal at one step of a run; one value for each junction."""

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
    split: Split = "test"
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


class Record(Protocol):
    """A record of this module: a dataclass with the newest format as a class attribute."""

    FORMAT: ClassVar[int]
    __dataclass_fields__: ClassVar[dict[str, Any]]


R = TypeVar("R", bound=Record)


Upgrade: TypeAlias = Callable[[dict[str, Any]], dict[str, Any]]
"""A function from a record of one format to the same record in the next format."""


def read(cls: type[R], record: Mapping[str, Any], origin: str, upgrade: Upgrade | None = None) -> R:
    """Return `record` as the typed record `cls`, upgraded from an older format if need be.

    Args:
        cls: one of this module's classes, or another class of records.
        record: the JSON object.
        origin: the file, and the line if it has several, for the message.
        upgrade: upgrades a record of format 1 of a class that is not of this module.

    Raises:
        FileFormatError: the record is of a newer format, or a field of it is unknown, missing or ill-typed.
    """
    current = dict(record)
    number = format_of(current, cls.FORMAT, origin)
    upgrades = _UPGRADES.get(cls, ()) if upgrade is None else (upgrade,)
    if number < cls.FORMAT:
        try:
            for step in upgrades[number - 1 :]:
                current = step(current)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise FileFormatError(f"{origin}: damaged: {type(error).__name__} {error}") from error
    current["format"] = cls.FORMAT
    try:
        return from_json(cls, current)
    except UsageError as error:
        raise FileFormatError(f"{origin}: {error}") from error


def format_of(record: Mapping[str, Any], newest: int, origin: str) -> int:
    """Return the record's format number, 1 if it has none. Raises FileFormatError for a newer format."""
    number = record.get("format", 1)
    if type(number) is not int or number < 1:
        raise FileFormatError(f"{origin}: its format is {number!r}, which is no format number")
    if number > newest:
        writer = record.get("resunit") or record.get("version")
        by = f"resunit {writer}" if isinstance(writer, str) else "a newer resunit"
        raise FileFormatError(
            f"{origin}: written by {by} in format {number}, and this one reads up to {newest}; upgrade resunit"
        )
    return number


def read_file(cls: type[R], path: Path) -> R:
    """Return the typed record in the JSON file `path`. Raises FileFormatError naming the file."""
    return read(cls, read_json(path), str(path))


def read_json(path: Path) -> dict[str, Any]:
    """Return the JSON object in `path`. Raises FileFormatError naming the file."""
    try:
        record = parse_json(path.read_bytes())
    except FileNotFoundError:
        raise FileFormatError(f"{path}: no such file") from None
    except ValueError as error:
        raise FileFormatError(f"{path}: damaged ({error})") from error
    if not isinstance(record, dict):
        raise FileFormatError(f"{path}: damaged (not a JSON object)")
    return record


def write_file(path: Path, record: Record) -> None:
    """Write a typed record as a JSON file, whole or not at all. Raises WriteError."""
    write_json(path, to_json(record))


def write_json(path: Path, record: Mapping[str, Any]) -> None:
    """Write a JSON object as a file, whole or not at all. Raises WriteError."""
    write_atomically(path, (json.dumps(record, indent=2, allow_nan=False) + "\n").encode())


def read_all(cls: type[R], path: Path, upgrade: Upgrade | None = None) -> list[R]:
    """Return the typed records in a file of JSON lines; none if there is no such file.

    A last line that was cut off is left out with a warning. Raises FileFormatError naming file and line.
    """
    return [
        read(cls, line, f"{path}, line {number}", upgrade) for number, line in enumerate(read_lines(path), 1)
    ]


def append(path: Path, records: Iterable[Record]) -> None:
    """Add typed records to a file of JSON lines, all or none. Raises WriteError."""
    append_lines(path, map(to_json, records))


# The functions from format 1 to 2, from 2 to 3 and so on. A format that only adds fields with defaults needs none.
_UPGRADES: dict[type, tuple[Upgrade, ...]] = {
    RunResult: (upgrade_result,),
    LogLine: (upgrade_log_line,),
    PropagationLine: (upgrade_propagation_line,),
    Environment: (upgrade_environment,),
    ExperimentRecord: (upgrade_experiment, upgrade_end_of_training),
}
