"""Typed fields: values are checked against annotations, and bounds, topics and docstrings are read from classes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal

import pytest

from resunit.errors import UsageError
from resunit.io.fields import (
    ABOVE_ZERO,
    FINITE,
    SHARE_BELOW_ONE,
    Bounds,
    Topic,
    allowed_values,
    annotations_of,
    check_fields,
    check_value,
    docstrings_of,
    from_json,
    is_optional,
    plain_kind,
    to_json,
    topic_of,
)


@dataclass(frozen=True)
class Kettle:
    """A kettle."""

    MATERIAL: ClassVar[str] = "steel"

    litres: Annotated[float, ABOVE_ZERO, Topic("Size")]
    """The kettle holds this
    much water."""
    lid: Literal["flat", "domed"] = "flat"
    marks: Annotated[tuple[float, ...], SHARE_BELOW_ONE] = ()
    cups: Annotated[int | None, Bounds(1, 12)] = None
    """The kettle fills so many cups."""
    labels: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_fields(self)


def test_values_become_the_types_of_their_fields() -> None:
    kettle = Kettle(2, marks=[0, 0.5])  # pyright: ignore[reportArgumentType]
    assert (type(kettle.litres), kettle.litres, kettle.marks) == (float, 2.0, (0.0, 0.5))
    assert type(kettle.marks[0]) is float


def test_a_dataclass_survives_json() -> None:
    kettle = Kettle(1.5, "domed", (0.25,), 4, {"maker": "us"})
    record = to_json(kettle)
    assert record["marks"] == [0.25]
    assert from_json(Kettle, record) == kettle


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"litres": 0}, "litres .*0"),
        ({"litres": "two"}, "litres .*'two'"),
        ({"litres": float("inf")}, "litres"),
        ({"litres": float("nan")}, "litres"),
        ({"litres": True}, "litres"),
        ({"lid": "domd"}, "'domed'"),
        ({"marks": (0.5, 1)}, "marks .* 0 .* 1, .*1"),
        ({"marks": 0.5}, r"marks .*0\.5"),
        ({"marks": (0.5, "x")}, r"marks\[1\]"),
        ({"cups": 13}, "cups .* 1 .* 12, .*13"),
        ({"cups": 1.5}, r"cups .*1\.5"),
        ({"labels": 3}, "labels"),
        ({"litre": 1}, "'litres'"),
    ],
)
def test_a_wrong_value_names_its_field(changes: dict[str, Any], named: str) -> None:
    with pytest.raises(UsageError, match=named):
        from_json(Kettle, {"litres": 1, **changes})


def test_a_missing_field_is_named() -> None:
    with pytest.raises(UsageError, match="litres"):
        from_json(Kettle, {})


def test_bounds_allow_their_ends_unless_open() -> None:
    assert [SHARE_BELOW_ONE.allow(value) for value in (-0.1, 0, 0.5, 1)] == [False, True, True, False]
    assert [FINITE.allow(value) for value in (-1e300, float("inf"), float("nan"))] == [True, False, False]
    assert str(Bounds(0, 2**32 - 1)) == "at least 0 and at most 4,294,967,295"


def test_what_annotations_say_can_be_read() -> None:
    kinds = annotations_of(Kettle)
    assert list(kinds) == ["litres", "lid", "marks", "cups", "labels"]
    assert {name: topic_of(kind) for name, kind in kinds.items() if topic_of(kind)} == {"litres": "Size"}
    assert [name for name, kind in kinds.items() if is_optional(kind)] == ["cups"]
    assert (plain_kind(kinds["cups"]), plain_kind(kinds["litres"])) == (int, float)
    assert allowed_values(kinds["cups"]) == "at least 1 and at most 12"
    assert allowed_values(kinds["lid"]) == "one of flat, domed"
    assert allowed_values(Annotated[float, FINITE]) == ""
    assert docstrings_of(Kettle) == {
        "litres": "The kettle holds this much water.", "cups": "The kettle fills so many cups.",
    }  # fmt: skip


def test_a_union_takes_the_first_type_that_fits() -> None:
    assert check_value("value", 3, int | str) == 3
    assert check_value("value", "x", int | str) == "x"
    with pytest.raises(UsageError, match="value"):
        check_value("value", 1.5, int | str)
