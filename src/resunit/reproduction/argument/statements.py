"""The paper's argument as a list of statements, each with the measurement, the formula or the claims that show it.

The statements and their explanations stand in statements.toml.
"""

import tomllib
from dataclasses import dataclass
from importlib import resources

from resunit.io.fields import from_json
from resunit.reproduction.claims import CLAIMS, Claim

# How words of names are spelled in titles.
ABBREVIATIONS = {"relu": "ReLU", "Relu": "ReLU", "bn": "BN", "Bn": "BN"}


@dataclass(frozen=True)
class Statement:
    """A statement of the paper, with what shows it.

    Attributes:
        name: a short name, which stays.
        section: where the paper makes it.
        explanation: what a reader has to know before the numbers, in sentences.
        formula: the formula that says the same, if one does.
        measures: the attributes of `propagation.Junction` that show it.
        command: the command that shows these measures.
        claims: the ids of the claims that decide it by runs.
    """

    name: str
    section: str
    sentence: str
    explanation: tuple[str, ...]
    formula: str = ""
    measures: tuple[str, ...] = ()
    command: str = ""
    claims: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """The name as words."""
        first, *rest = self.name.split("-")
        return " ".join(ABBREVIATIONS.get(word, word) for word in (first.capitalize(), *rest))

    @property
    def needs_the_end(self) -> bool:
        """Whether runs decide it, and only those that are as long as the paper's."""
        return bool(self.claims) and all(BY_ID[claim].needs_the_end for claim in self.claims)


@dataclass(frozen=True)
class StatementGroup:
    """The statements of one part of the paper, whose sections begin with `section`."""

    section: str
    title: str
    explanation: tuple[str, ...]


@dataclass(frozen=True)
class ArgumentText:
    """The content of statements.toml."""

    introduction: tuple[str, ...]
    groups: tuple[StatementGroup, ...]
    statements: tuple[Statement, ...]


BY_ID: dict[str, Claim] = {claim.id: claim for claim in CLAIMS}
TEXT: ArgumentText = from_json(
    ArgumentText,
    tomllib.loads((resources.files("resunit.reproduction.argument") / "statements.toml").read_text("utf-8")),
)
STATEMENTS = TEXT.statements


def statements_of(claim: Claim) -> list[str]:
    """Return the names of the statements that a claim decides."""
    return [statement.name for statement in STATEMENTS if claim.id in statement.claims]
