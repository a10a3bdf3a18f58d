"""docs/argument.md is complete: every statement has its section, what was seen, and its row of the table."""

import math
import re

import pytest

from resunit.reproduction.argument.argument import SHOWN
from resunit.reproduction.argument.formula import with_indices
from resunit.reproduction.argument.markdown import table_of_statements
from resunit.reproduction.argument.statements import STATEMENTS, Statement
from tests.docs.markdown import ROOT
from tests.propagation.test_direct_term import AT_DEPTH_110

DOCS = ROOT / "docs"
PAGE = (DOCS / "argument.md").read_text()
SECTIONS = dict(re.findall(r"^### (.+?)\n(.*?)(?=^##)", PAGE, re.M | re.S))


def test_the_sections_are_the_statements_in_the_papers_order() -> None:
    assert list(SECTIONS) == [statement.title for statement in STATEMENTS]


@pytest.mark.parametrize("statement", STATEMENTS, ids=lambda statement: statement.name)
def test_a_section_says_the_statement_explains_it_and_shows_what_was_seen(statement: Statement) -> None:
    section = SECTIONS[statement.title]
    assert with_indices(statement.sentence) in section
    assert with_indices(statement.formula) in section
    assert all(with_indices(text) in section for text in statement.explanation)
    assert re.search(r"^- .*\d", section, re.M)
    assert len(re.findall(r"\| (?:held|not held|undecided) \|", section)) == len(statement.claims)
    assert (f"argument/{statement.name}-1.png" in section) == (statement.name in SHOWN)


def test_the_table_has_every_statement_with_its_command_measures_and_claims() -> None:
    assert PAGE.endswith(f"## What shows each statement\n\n{table_of_statements()}\n")


@pytest.mark.parametrize("design", AT_DEPTH_110)
def test_the_direct_terms_are_those_of_networks_without_branches(design: str) -> None:
    """`test_designs_at_depth_110` computes the numbers without the instrument, on the same images and weights."""
    section = SECTIONS["Other shortcuts multiply derivatives"]
    (row,) = re.findall(rf"^\| {design} \|(.*)\|$", section, re.M)
    _, alone, with_f, *_ = row.split("|")
    expected_alone, expected_with_f = AT_DEPTH_110[design][1:]
    # The leading digits depend on how the images are normalised.
    assert math.log10(float(alone)) == pytest.approx(math.log10(expected_alone), abs=0.05)
    assert math.log10(float(with_f)) == pytest.approx(math.log10(expected_with_f), abs=0.25)


def test_the_pictures_are_all_there_and_no_others() -> None:
    shown = set(re.findall(r"\]\((argument/[^)]+)\)", PAGE))
    assert shown == {f"argument/{path.name}" for path in (DOCS / "argument").iterdir()}
