"""The paper's tables and claims beside the measurements made here, for a terminal, for docs and for a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Any, Literal

from resunit.reports.markdown import render_markdown_table

if TYPE_CHECKING:
    from rich.table import Table as RichTable


@dataclass(frozen=True)
class ComparisonRow:
    """One row of a table of the paper, beside the runs of the same network here.

    Attributes:
        label: the row's name in the paper's table.
        errors: the test errors in percent, one for each seed whose run is done.
        status: a note beside the errors or in their place, such as "not run".
        published: the paper's error in percent, the paper's word "fail", or None.
        top5_errors: the top-5 errors in percent; they are shown where the paper has one.
        published_top5: the paper's top-5 error in percent, or None.
        train_errors: the errors in percent on the training batches at the end, one for each of these seeds.
        places: the row's place from the lowest error up, here and in the paper; None if the table has no order.
    """

    label: str
    errors: tuple[float, ...]
    status: str
    published: float | str | None
    remark: str = ""
    top5_errors: tuple[float, ...] = ()
    published_top5: float | None = None
    train_errors: tuple[float, ...] = ()
    places: tuple[int, int] | None = None

    @property
    def here(self) -> str:
        """The median error over the seeds, with the range if there are several, and the status."""
        if not self.errors:
            return self.status
        text = format_median_and_range(self.errors)
        if self.top5_errors and self.published_top5 is not None:
            text += f" / {median(self.top5_errors):.1f}"
        return f"{text}, {self.status}" if self.status else text

    @property
    def training(self) -> str:
        """The median training error over the seeds, with the range if there are several; empty without any."""
        return format_median_and_range(self.train_errors) if self.train_errors else ""

    @property
    def training_median(self) -> str:
        """The median training error alone, for narrow columns."""
        return f"{median(self.train_errors):.1f}" if self.train_errors else ""

    @property
    def seeds(self) -> str:
        """The number of seeds as text; empty without errors."""
        return str(len(self.errors)) if self.errors else ""

    @property
    def place(self) -> str:
        """The row's place here and, in brackets, in the paper: "2 (1)"; empty if it has none."""
        return "" if self.places is None else "{} ({})".format(*self.places)

    @property
    def paper(self) -> str:
        """The paper's error as text; empty if the paper has none."""
        if self.published_top5 is not None:
            return f"{self.published:.1f} / {self.published_top5:.1f}"
        return f"{self.published:.2f}" if isinstance(self.published, float) else str(self.published or "")


@dataclass(frozen=True)
class RowOrder:
    """How far the order of rows by their median error here agrees with the paper's order.

    Attributes:
        tau: Kendall's tau-b between the two orders: 1 if they are equal, -1 if one is the other reversed.
        interval: the ends of its 95 % interval, by a bootstrap over seeds; None if a row has one seed.
        places: by the name of each row, its place from the lowest error up, here and in the paper; rows that tie
            share the first of their places.
    """

    tau: float
    interval: tuple[float, float] | None
    places: Mapping[str, tuple[int, int]]

    @property
    def sentence(self) -> str:
        """The agreement with its interval, and how ties count."""
        if self.interval is None:
            interval = "no interval, because a row has one seed"
        else:
            interval = "95 % interval {:.2f} to {:.2f}, by a bootstrap over seeds".format(*self.interval)
        has_ties = len({published for _, published in self.places.values()}) < len(self.places)
        ties = "; rows that fail in the paper share one place there" if has_ties else ""
        return (
            f"The order of {len(self.places)} rows by median test error agrees with the paper's by Kendall's tau-b "
            f"of {self.tau:.2f} ({interval}){ties}."
        )

    def to_json(self) -> dict[str, Any]:
        """Return the agreement as a JSON object; the rows have their places themselves."""
        return {"tau": self.tau, "interval": self.interval, "rows": len(self.places)}


@dataclass(frozen=True)
class PaperComparison:
    """A table of the paper beside the measurements made here.

    Attributes:
        caption: the scale, steps, precision and machine that the rows were measured with.
        order: how far the order of the rows agrees with the paper's; None where that has no answer.
    """

    title: str
    caption: str
    rows: tuple[ComparisonRow, ...]
    order: RowOrder | None = None


@dataclass(frozen=True)
class VerdictRow:
    """A claim of the paper, or a comparison of designs, and the verdict on it.

    Attributes:
        statement: the claim as a sentence, or the designs that are compared.
        source: where the paper says it, and the claim's name; or where the design is from.
        verdict: whether the claim held here, or the design was better.
        runs: the runs that the numbers were measured on.
    """

    statement: str
    source: str
    verdict: Literal["held", "not held", "better", "worse", "undecided"]
    numbers: str
    runs: str


ERROR = "here, test error %"
TRAINING_ERROR = "training error %"
PLACE = "place (paper's)"
LEFT = ("row", ERROR, "remark")


def format_median_and_range(errors: Sequence[float]) -> str:
    """Return the median of errors in percent, with the range if there are several: "58.4 (57.0 to 59.0)"."""
    text = f"{median(errors):.1f}"
    return f"{text} ({min(errors):.1f} to {max(errors):.1f})" if len(errors) > 1 else text


def comparison_for_terminal(comparison: PaperComparison) -> RichTable:
    """Return a table that rich prints; of the training errors it has the median alone, to be narrow."""
    from rich.table import Table as RichTable

    table = RichTable(title=comparison.title, title_justify="left", caption=comparison.caption,
                      caption_justify="left", box=None, pad_edge=False)  # fmt: skip
    for heading in headings_of(comparison):
        narrow = "train %" if heading == TRAINING_ERROR else heading
        table.add_column(narrow, justify="left" if heading in LEFT else "right")
    for row in comparison.rows:
        places = () if comparison.order is None else (row.place,)
        table.add_row(row.label, row.here, row.training_median, row.seeds, row.paper, *places, row.remark)
    return table


def verdicts_for_terminal(title: str, kind: str, verdicts: Sequence[VerdictRow]) -> RichTable:
    """Return a table that rich prints, without the runs, which the comparison above it names; `kind` is a heading."""
    from rich.table import Table as RichTable

    table = RichTable(title=title, title_justify="left", box=None, pad_edge=False)
    for heading in ("", kind, "numbers"):
        table.add_column(heading)
    for row in verdicts:
        table.add_row(row.verdict, row.statement, row.numbers)
    return table


def comparison_in_markdown(comparison: PaperComparison) -> str:
    """Return the table with its title and caption as a section of Markdown."""
    rows = []
    for row in comparison.rows:
        places = () if comparison.order is None else (row.place,)
        rows.append((row.label, row.here, row.training, row.seeds, row.paper, *places, row.remark))
    table = render_markdown_table(headings_of(comparison), rows)
    return f"## {comparison.title}\n\n{table}\n\n{comparison.caption}\n"


def headings_of(comparison: PaperComparison) -> tuple[str, ...]:
    """Return the headings of a table's columns; rows have places only if the table has an order."""
    places = () if comparison.order is None else (PLACE,)
    return "row", ERROR, TRAINING_ERROR, "seeds", "paper %", *places, "remark"


def verdicts_in_markdown(title: str, summary: str, kind: str, verdicts: Sequence[VerdictRow]) -> str:
    """Return the verdicts as a section of Markdown, with its summary above the table, and `kind` as a heading."""
    rows = [(row.statement, row.source, row.verdict, row.numbers, row.runs) for row in verdicts]
    table = render_markdown_table((kind, "source", "here", "numbers", "runs"), rows)
    return f"## {title}\n\n{summary}\n\n{table}\n"
