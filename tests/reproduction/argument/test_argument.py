"""The argument: every statement has its section, and what was seen is computed."""

import json
import math
from dataclasses import replace

import pytest

from resunit.errors import FileFormatError, UsageError
from resunit.reproduction.argument.argument import SHOWN, make_argument, what_shows
from resunit.reproduction.argument.networks import Networks
from resunit.reproduction.argument.shown import Line, Shown, by_unit
from resunit.reproduction.argument.statements import STATEMENTS, TEXT

NAMES = [statement.name for statement in STATEMENTS]


def small(**changes: int | str) -> Networks:
    return Networks(**({"model": "resnet20", "seed": 0, "steps": 2, "images": 4} | changes))  # pyright: ignore[reportArgumentType]


def test_every_statement_is_explained_and_every_measured_one_has_a_measurement() -> None:
    texts = [each.explanation for each in (*STATEMENTS, *TEXT.groups)]
    assert all(texts)
    assert {statement.name for statement in STATEMENTS if statement.measures} <= set(SHOWN) <= set(NAMES)
    assert all(text.endswith(".") for text in (*TEXT.introduction, *sum(texts, ())))


def test_the_table_names_the_command_measures_and_claims_of_every_statement() -> None:
    rows = what_shows().rows
    assert [row[0] for row in rows] == NAMES
    for statement, row in zip(STATEMENTS, rows, strict=True):
        assert (statement.command or "resunit reproduce claims") in row[2]
        assert all(f"`{name}`" in row[3] for name in (*statement.measures, *statement.claims))


def test_a_statement_that_only_runs_decide_shows_their_verdicts() -> None:
    networks = small()
    argument = make_argument(networks, only="half-scaling*")
    (section,) = argument.sections
    assert section.shown is None
    assert [row.source.split("; ")[1] for row in section.claims] == list(section.statement.claims)
    assert len(section.seen) == 1
    json.dumps(argument.to_json(), allow_nan=False)


def test_a_stage_is_the_sum_of_its_terms() -> None:
    (section,) = make_argument(small(), only="sum-not-product").sections
    assert section.shown is not None
    streams, terms = section.shown.charts
    assert terms.across == (1, 2, 3)
    assert section.shown.table is not None
    assert len(section.shown.table.rows) == 4
    stream, product, small_product = (line.heights for line in streams.lines)
    # Three units of two layers each: weights times 0.1 are worth 0.1^2 a unit.
    ratios = [b / a for a, b in zip(product, small_product, strict=True) if a and b]
    assert ratios == pytest.approx([0.1**2, 0.1**4, 0.1**6])
    assert stream[-1] is not None


def test_what_is_not_finite_is_null_in_json() -> None:
    shown = Shown((), (by_unit("a chart", Line("a line", (1.0, math.inf, None))),))
    assert shown.to_json()["charts"][0]["lines"][0]["heights"] == [1.0, None, None]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"model": "preresnet20"}, "preresnet20"),
        ({"model": "resnet18"}, "resnet18"),
        ({"model": "resnet21"}, "resnet21"),
        ({"steps": 0}, "steps"),
        ({"seed": -1}, "seed"),
        ({"images": 0}, "batch-size"),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_is_measured(
    changes: dict[str, int], field: str
) -> None:
    with pytest.raises(UsageError, match=field):
        small(**changes)


def test_unknown_statements_and_missing_records_are_refused(tmp_path) -> None:
    with pytest.raises(UsageError, match="nothing-like-it"):
        make_argument(small(), only="nothing-like-it")
    with pytest.raises(FileFormatError, match="absent"):
        make_argument(small(), records=tmp_path / "absent.jsonl")


@pytest.mark.full
def test_the_whole_argument_has_a_section_for_every_statement() -> None:
    networks = small()
    argument = make_argument(networks)
    assert [section.statement.name for section in argument.sections] == NAMES
    assert all(section.seen for section in argument.sections)
    for section in argument.sections:
        assert bool(section.shown) == (section.statement.name in SHOWN)
        assert len(section.outcomes) == len(section.statement.claims)
    json.dumps(argument.to_json(), allow_nan=False)
    again = make_argument(networks, only="truncation-needs*")
    other = make_argument(replace(small(), seed=1), only="truncation-needs*")
    assert again.sections[0].seen != other.sections[0].seen  # The sentences follow the measurement.
