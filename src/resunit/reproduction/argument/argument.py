"""The argument: every statement of the paper in its order, with what shows it here."""

import fnmatch
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

import resunit
from resunit.errors import FileFormatError, unknown
from resunit.io.format import format_count
from resunit.reports.paper_comparison import VerdictRow
from resunit.reproduction.argument import analysis, placements, shortcuts, unrolled
from resunit.reproduction.argument.networks import Networks
from resunit.reproduction.argument.shown import NumberTable, Show, Shown
from resunit.reproduction.argument.statements import STATEMENTS, TEXT, Statement, StatementGroup
from resunit.reproduction.claims import ClaimOutcome, judge_claims
from resunit.reproduction.comparison import claim_rows
from resunit.reproduction.evidence.records import read_records, read_shipped
from resunit.training.environment import name_processor
from resunit.training.threads import limit_threads

FORMAT = 1  # of the JSON document; it grows when a field changes its name or its meaning.

# The measurements of the statements that measurements show, by the statement's name.
SHOWN: Mapping[str, Show] = {**unrolled.SHOWN, **shortcuts.SHOWN, **placements.SHOWN, **analysis.SHOWN}


@dataclass(frozen=True)
class Section:
    """One statement with what shows it.

    Attributes:
        shown: what fresh and briefly trained networks show, if anything.
        outcomes: what recorded runs say about its claims.
    """

    statement: Statement
    shown: Shown | None
    outcomes: tuple[ClaimOutcome, ...]

    @property
    def group(self) -> StatementGroup:
        """The group of the part of the paper that makes the statement."""
        return next(group for group in TEXT.groups if self.statement.section.startswith(group.section))

    @property
    def seen(self) -> tuple[str, ...]:
        """What was seen, in sentences with numbers."""
        shown = () if self.shown is None else self.shown.seen
        return (*shown, *((_tally(self.outcomes),) if self.statement.claims else ()))

    @property
    def claims(self) -> list[VerdictRow]:
        """The claims with their verdicts, as rows of a table."""
        return claim_rows(self.outcomes)

    def to_json(self) -> dict[str, Any]:
        """Return the statement and what shows it as plain values."""
        return {
            **asdict(self.statement),
            **({} if self.shown is None else self.shown.to_json()),
            "seen": list(self.seen),
            "outcomes": [outcome.to_json() for outcome in self.outcomes],
        }


@dataclass(frozen=True)
class Argument:
    """The statements that were asked for, with the conditions of their measurements.

    Attributes:
        sections: the statements in the paper's order.
        model: the network that was measured and trained.
        steps: the steps of the brief training.
        images: the images that were measured on.
        machine: the processor and the versions that computed.
        records: where the recorded runs are from, and how many there are.
    """

    sections: tuple[Section, ...]
    model: str
    seed: int
    steps: int
    images: int
    machine: str
    records: str

    @property
    def conditions(self) -> tuple[str, ...]:
        """Sentences that say how everything was measured."""
        return (
            f"Fresh networks are {self.model} in the paper's designs, measured in training mode on {self.images} "
            "training images of the sample of CIFAR-10 that comes with the package.",
            f"Two of them are trained for {format_count(self.steps, 'step')} on the sample.",
            f"Weights, images and order come from seed {self.seed}.",
            f"The verdicts are from {self.records}.",
            f"Measured on {self.machine}.",
        )

    def to_json(self) -> dict[str, Any]:
        """Return everything as one JSON object."""
        return {
            "format": FORMAT,
            "model": self.model,
            "seed": self.seed,
            "steps": self.steps,
            "images": self.images,
            "machine": self.machine,
            "records": self.records,
            "statements": [section.to_json() for section in self.sections],
        }


def make_argument(networks: Networks, *, only: str = "*", records: Path | None = None) -> Argument:
    """Measure what the statements need, and judge their claims by recorded runs.

    Args:
        networks: what is measured and trained.
        only: a shell pattern of the names of the statements.
        records: a file of records in place of those that ship with the package.

    Raises:
        UsageError: no statement has such a name.
        FileFormatError: the file of records is missing or damaged.
        DataError: the sample is damaged.
    """
    chosen = [statement for statement in STATEMENTS if fnmatch.fnmatch(statement.name, only)]
    if not chosen:
        raise unknown("statement", only, [statement.name for statement in STATEMENTS])
    if records is not None and not records.exists():
        raise FileFormatError(f"{records}: no such file; --records takes a file of JSON lines")
    evidence = read_shipped() if records is None else read_records(records)
    limit_threads()
    outcomes = {outcome.claim.id: outcome for outcome in judge_claims(evidence)}
    sections = [
        Section(
            statement,
            SHOWN[statement.name](networks) if statement.name in SHOWN else None,
            tuple(outcomes[claim] for claim in statement.claims),
        )
        for statement in chosen
    ]
    origin = "the records that ship with the package" if records is None else records.name
    runs = format_count(len(evidence), "run")
    if not evidence:
        runs += ": `resunit reproduce claims --run` trains them, and --records takes their file"
    return Argument(
        tuple(sections),
        networks.model,
        networks.seed,
        networks.steps,
        networks.images,
        f"{name_processor()}, {format_count(torch.get_num_threads(), 'thread')}, torch {torch.__version__}, "
        f"resunit {resunit.__version__}",
        f"{origin} ({runs})",
    )


def what_shows(statements: Sequence[Statement] = STATEMENTS) -> NumberTable:
    """Return the table of all statements with the command and the measures, or the claims, that show each."""
    rows = []
    for statement in statements:
        measures = ", ".join(f"`{name}`" for name in statement.measures)
        claims = ", ".join(f"`{name}`" for name in statement.claims)
        command = f"`{statement.command or 'resunit reproduce claims'}`"
        shown = filter(None, [measures and f"measures {measures}", claims and f"claims {claims}"])
        rows.append((statement.name, statement.section, command, "; ".join(shown)))
    return NumberTable(("statement", "where", "command", "measures and claims"), tuple(rows))


def _tally(outcomes: Sequence[ClaimOutcome]) -> str:
    """Return how many of a statement's claims the recorded runs decide, and how."""
    counts = Counter(outcome.verdict for outcome in outcomes)
    verdicts = ", ".join(
        f"{counts[verdict]} {verdict}" for verdict in ("held", "not held", "undecided") if counts[verdict]
    )
    return f"{format_count(len(outcomes), 'claim')}, by recorded runs: {verdicts}."
