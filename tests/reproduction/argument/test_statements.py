"""The paper's statements: each is shown by something that exists."""

import shlex
from dataclasses import replace

import pytest

from resunit.cli.app import app
from resunit.models.designs import DESIGNS
from resunit.propagation.junction import MEASURES
from resunit.reproduction.argument.statements import STATEMENTS, Statement, statements_of
from resunit.reproduction.claims import CLAIMS

SHOWN = pytest.mark.parametrize("statement", STATEMENTS, ids=lambda statement: statement.name)


@SHOWN
def test_every_statement_has_a_command_or_claims(statement: Statement) -> None:
    assert statement.sentence.endswith(".")
    assert statement.claims or statement.command
    assert bool(statement.measures) == bool(statement.command)
    assert set(statement.measures) <= set(MEASURES)
    assert set(statement.claims) <= {claim.id for claim in CLAIMS}


@pytest.mark.parametrize("command", sorted({statement.command for statement in STATEMENTS} - {""}))
def test_every_command_is_one(command: str) -> None:
    program, *arguments = shlex.split(command)
    function, bound, _ = app.parse_args(arguments, exit_on_error=False, print_error=False)
    assert program == "resunit"
    assert function.__name__ in {"propagation", "argument"}
    assert bound.arguments.get("design") in {None, *DESIGNS}


def test_every_claim_decides_a_statement_and_names_are_unique() -> None:
    assert all(statements_of(claim) for claim in CLAIMS)
    assert len({claim.id for claim in CLAIMS}) == len(CLAIMS)
    assert len({statement.name for statement in STATEMENTS}) == len(STATEMENTS)


def test_the_sections_are_in_the_papers_order() -> None:
    sections = [statement.section for statement in STATEMENTS]
    assert sections == sorted(sections)
    assert {section.split(".")[0] for section in sections} == {"Section 2", "Section 3", "Section 4"}


def test_what_only_a_long_training_decides_says_so() -> None:
    assert {statement.name for statement in STATEMENTS if statement.needs_the_end} == {
        "very-deep-ends-lowest",
        "preactivation-regularises",
    }
    # A statement that a shorter training decides in part does not count as such.
    mixed = next(s for s in STATEMENTS if s.name == "relu-harms-little-with-fewer-layers")
    assert replace(mixed, claims=mixed.claims[1:]).needs_the_end
