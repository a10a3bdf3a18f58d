"""Runs that are compared: their settings and results, and the fields in which their recipes differ."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from resunit.errors import UsageError, unknown
from resunit.runs.judged_images import are_few
from resunit.runs.recipe_format import WITHOUT_EFFECT
from resunit.runs.schema import CurvePoint, SplitName, Status

# These fields have columns of their own.
NETWORK_AND_DATA = ("data", "model", "design")

DEFAULT = "default"

# Runs that differ only in these fields are the same training, watched in another way or with another seed.
OF_ONE_SETTING = (*WITHOUT_EFFECT, "seed")


@dataclass(frozen=True)
class ComparedRun:
    """One run of a comparison; errors are in percent and None where they are not known.

    Attributes:
        name: the run's name, such as that of its folder.
        error: the error of the newest weights that were evaluated.
        best_error: the lowest error of all evaluations.
        split: the images that the run was judged on.
        images: the number of these images.
        classes: the number of their classes.
        fields: the fields of the recipe by name; a field that the record does not hold is absent.
        options: the options of the network that have another value than their default.
        page: the run's own page, if there is one.
    """

    name: str
    data: str
    model: str
    design: str
    status: Status
    error: float | None
    best_error: float | None = None
    seconds: float | None = None
    split: SplitName = "test"
    images: int | None = None
    classes: int | None = None
    fields: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    curve: Sequence[CurvePoint] = ()
    page: Path | None = None

    @property
    def has_few_images(self) -> bool:
        """Whether the run was judged on too few images for any conclusion."""
        return self.images is not None and are_few(self.images, self.classes)

    def to_json(self) -> dict[str, Any]:
        """Return the run as a JSON object, without its curve."""
        stated = ("name", "data", "model", "design", "status", "split", "images")
        return {
            **{name: getattr(self, name) for name in stated},
            "error": self.error,
            "best_error": self.best_error,
            "wall_seconds": self.seconds,
            "recipe": dict(self.fields),
            "page": None if self.page is None else str(self.page),
        }

    def value(self, name: str) -> Any:
        """Return the value of a field, of the data or of the network; None if the record does not hold it."""
        return getattr(self, name) if name in NETWORK_AND_DATA else self.fields.get(name)

    def states(self, name: str) -> bool:
        """Return whether the record holds the field."""
        return name in NETWORK_AND_DATA or name in self.fields


def with_all_options(runs: Sequence[ComparedRun]) -> list[ComparedRun]:
    """Return the runs with the same options; an option that only other runs have has the value "default"."""
    names = dict.fromkeys(name for run in runs for name in run.options)
    return [
        replace(run, fields={**run.fields, **{name: run.options.get(name, DEFAULT) for name in names}})
        for run in runs
    ]


def find_differing_fields(runs: Sequence[ComparedRun]) -> list[str]:
    """Return the fields of the recipes that have several values; records without a field do not count."""
    names = dict.fromkeys(name for run in runs for name in run.fields if name not in NETWORK_AND_DATA)
    return [name for name in names if name != "format" and _has_several_values(runs, name)]


def find_swept_field(runs: Sequence[ComparedRun], named: str | None = None) -> str | None:
    """Return the field that a sweep varies; None if the runs are no sweep.

    Runs are a sweep if one field with an effect differs, and its values are numbers. Seeds may differ too. Beside a
    field that the user has `named`, spelled as in recipe.json or as an option, any other may differ.

    Raises:
        UsageError: no run has the named field, or all runs have one value of it.
    """
    differing = [
        name for name in (*NETWORK_AND_DATA, *find_differing_fields(runs)) if _has_several_values(runs, name)
    ]
    if named is None:
        with_effect = [name for name in differing if name not in OF_ONE_SETTING]
        is_sweep = len(with_effect) == 1 and all(is_number(run.value(with_effect[0])) for run in runs)
        return with_effect[0] if is_sweep else None
    name = named.removeprefix("--").replace("-", "_")
    known = dict.fromkeys((*NETWORK_AND_DATA, *(field for run in runs for field in run.fields)))
    if name not in known:
        raise unknown("field", name, known)
    if name not in differing:
        one = next(run.value(name) for run in runs if run.states(name))
        raise UsageError(f"--against {named}: all runs have {name} {one}; name a field that differs")
    return name


def is_number(value: object) -> bool:
    """Return whether a field's value is a number; true and false are none."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def _has_several_values(runs: Sequence[ComparedRun], name: str) -> bool:
    found = [run.value(name) for run in runs if run.states(name)]
    return any(value != found[0] for value in found[1:])
