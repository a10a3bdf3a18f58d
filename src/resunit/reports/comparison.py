"""A table of the paper beside what was measured here, for a terminal, for docs and for a page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from rich.table import Table as RichTable


@dataclass(frozen=True)
class ComparisonRow:
    """`errors` in percent, one a seed that ended; `status` says what there is to say beside or without them.

    `published` is the paper's error in percent, "fail", or None. Top-5 errors are shown where it has one.
    """

    label: str
    errors: tuple[float, ...]
    status: str
    published: float | str | None
    remark: str = ""
    top5_errors: tuple[float, ...] = ()
    published_top5: float | None = None

    @property
    def here(self) -> str:
        """The median, the range where there is one, and the number of seeds."""
        if not self.errors:
            return self.status
        middle = f"{median(self.errors):.1f}"
        if len(self.errors) > 1:
            middle += f" ({min(self.errors):.1f} to {max(self.errors):.1f})"
        if self.top5_errors and self.published_top5 is not None:
            middle += f" / {median(self.top5_errors):.1f}"
        return f"{middle}, {self.status}" if self.status else middle

    @property
    def seeds(self) -> str:
        return str(len(self.errors)) if self.errors else ""

    @property
    def paper(self) -> str:
        if self.published_top5 is not None:
            return f"{self.published:.1f} / {self.published_top5:.1f}"
        return f"{self.published:.2f}" if isinstance(self.published, float) else str(self.published or "")


@dataclass(frozen=True)
class Comparison:
    """`caption` says at which scale, with which steps, precision and machine `rows` were measured."""

    title: str
    caption: str
    rows: tuple[ComparisonRow, ...]


@dataclass(frozen=True)
class Finding:
    """A finding of the paper, whether it held here, the numbers behind that and the runs they are of."""

    finding: str
    source: str
    outcome: Literal["held", "not held", "undecided"]
    details: str
    runs: str


HEADINGS = ("", "here, test error %", "seeds", "paper %", "")


def comparison_for_terminal(comparison: Comparison) -> RichTable:
    from rich.table import Table as RichTable

    table = RichTable(title=comparison.title, title_justify="left", caption=comparison.caption,
                      caption_justify="left", box=None, pad_edge=False)  # fmt: skip
    for heading, justify in zip(HEADINGS, ("left", "left", "right", "right", "left"), strict=True):
        table.add_column(heading, justify=justify)
    for row in comparison.rows:
        table.add_row(row.label, row.here, row.seeds, row.paper, row.remark)
    return table


def findings_for_terminal(findings: list[Finding]) -> RichTable:
    """Without the runs, which the table above it tells."""
    from rich.table import Table as RichTable

    table = RichTable(title="Did the paper's findings hold here?", title_justify="left", box=None,
                      pad_edge=False)  # fmt: skip
    for heading in ("", "finding", "why"):
        table.add_column(heading)
    for finding in findings:
        table.add_row(finding.outcome, finding.finding, finding.details)
    return table


def comparison_in_markdown(comparison: Comparison) -> str:
    rows = [(row.label, row.here, row.seeds, row.paper, row.remark) for row in comparison.rows]
    table = markdown_table(("row", *HEADINGS[1:4], "remark"), rows)
    return f"## {comparison.title}\n\n{table}\n\n{comparison.caption}\n"


def findings_in_markdown(findings: list[Finding], tally: str) -> str:
    rows = [(f.finding, f.source, f.outcome, f.details, f.runs) for f in findings]
    table = markdown_table(("finding", "source", "here", "numbers", "runs"), rows)
    return f"## The paper's findings\n\n{tally}\n\n{table}\n"


def markdown_table(headings: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [headings, tuple("---" for _ in headings), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)
