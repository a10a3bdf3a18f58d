"""`resunit report` of many runs: a page, or Markdown with pictures for docs."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from resunit.errors import RunError, UsageError
from resunit.io.atomic import write_atomically
from resunit.io.places import user_path
from resunit.io.sortable_table import SortableTable
from resunit.models.drawing.draw import draw_designs, render_designs
from resunit.reports.compared_run import ComparedRun, with_all_options
from resunit.reports.costs import Cost, write_costs_in_markdown
from resunit.reports.curves import Curve, Plot, draw_curves
from resunit.reports.measurement_table import make_measurement_table
from resunit.reports.paper_comparison import PaperComparison, comparison_in_markdown, verdicts_in_markdown
from resunit.reports.printed_table import table_in_markdown
from resunit.reports.run_table import make_run_table
from resunit.reports.runs_comparison import RunsComparison, compare_runs
from resunit.reports.runs_page import render_runs_page
from resunit.reproduction.claims import ClaimOutcome, judge_claims
from resunit.reproduction.claims.later import LaterOutcome, judge_later
from resunit.reproduction.claims.margins import MARGINS, describe_margins
from resunit.reproduction.comparison import (
    ABOUT_LATER,
    claim_rows,
    has_any,
    label_of,
    later_rows,
    make_comparison,
    tally,
    with_own_rows,
)
from resunit.reproduction.evidence.compared_runs import compare_experiment
from resunit.reproduction.evidence.find_records import FoundRecords, find_records
from resunit.reproduction.experiments.setting import setting_of
from resunit.reproduction.figures.training_curves import make_curves
from resunit.reproduction.paper.tables import TABLES
from resunit.runs.schema import ExperimentRecord

SUFFIXES = (".html", ".md")
HEAD = Path(__file__).with_name("report_head.md")


@dataclass(frozen=True)
class Report:
    """A report that was written.

    Attributes:
        runs: the ordinary runs in it.
        tables: the tables of all runs and measurements in it, as a terminal shows them too.
    """

    path: Path
    runs: Sequence[ComparedRun]
    tables: Sequence[SortableTable]


def write_report(paths: Sequence[Path], out: Path, against: str | None = None) -> Report:
    """Write one report of all runs in `paths`.

    Args:
        paths: run folders, folders that hold such, and files of records.
        out: a file that ends in .html, or in .md: then figures are PNG and PDF files beside it.
        against: the field of the recipe that the error is drawn against; by default the one that a sweep varies.

    Raises:
        UsageError: there is nothing to report on, `out` has another suffix, or no run has the field `against`.
        FileFormatError: a record is damaged; the message names its file.
        RunError: none of the runs has ended.
        WriteError: the report cannot be written.
    """
    paths, out = list(map(user_path, paths)), user_path(out)
    if out.suffix not in SUFFIXES:
        raise UsageError(f"--out {out}: a report ends in {' or '.join(SUFFIXES)}")
    found = find_records(paths)
    _check_found(found, paths, against)
    compared = compare_runs(found.runs, out, against, found.unfinished) if found.runs else None
    measured = make_measurement_table(found.measurements) if found.measurements else None
    of_tables = found.experiments
    recorded = (
        make_run_table(with_all_options(list(map(compare_experiment, of_tables)))) if of_tables else None
    )
    tables = {name: with_own_rows(name, table, of_tables) for name, table in TABLES.items()}
    later = [each for each in judge_later(of_tables) if each.outcome.settings]
    of_runs = {name: table for name, table in tables.items() if has_any(table, of_tables)}
    comparisons = [
        make_comparison(table, of_tables)
        for name, table in of_runs.items()
        if name.startswith("table") or table is not TABLES[name] or (name == "later" and later)
    ]
    figures = {name: plot for name, table in tables.items() if (plot := make_curves(table, of_tables))}
    outcomes = judge_claims(of_tables) if of_tables else []
    if out.suffix == ".md":
        parts = _markdown_of_runs(compared, measured, out)
        if of_tables:
            head = HEAD.read_text().format(
                paths=" ".join(map(str, paths)), out=out, margins=describe_margins(MARGINS)
            )
            parts = [_markdown(head, outcomes, later, comparisons, figures, of_tables, out), *parts]
        else:
            parts = ["# Runs compared\n", *parts]
        write_atomically(out, "\n".join(parts).encode())
    else:
        page = render_runs_page(
            "The paper's experiments" if of_tables else "Runs compared",
            comparisons=comparisons,
            claims=claim_rows(outcomes),
            tally=tally(outcomes),
            later=later_rows(later),
            about_later=ABOUT_LATER,
            plots=list(figures.values()),
            spread=_spread(of_tables),
            costs=_costs(of_tables),
            units=render_designs(sorted({record.design for record in of_tables})) if of_tables else (),
            compared=compared,
            measurements=measured,
            recorded=recorded,
        )
        write_atomically(out, page.encode())
    shown = [compared.table if compared else None, measured, recorded]
    return Report(out, found.runs, [table for table in shown if table is not None])


def _check_found(found: FoundRecords, paths: Sequence[Path], against: str | None) -> None:
    """Raise RunError or UsageError if the records that were found make no report."""
    if not found:
        places = ", ".join(map(str, paths))
        if found.unfinished:
            raise RunError(
                f"{places}: no run there has ended; wait, or continue with `resunit train --resume`"
            )
        raise UsageError(f"no runs in {places}; `resunit train` and `resunit reproduce` write some")
    if against is not None and not found.runs:
        raise UsageError(
            "--against needs runs of `resunit train`, and these are rows of the paper's tables; leave --against out"
        )


def _markdown_of_runs(
    compared: RunsComparison | None, measured: SortableTable | None, out: Path
) -> list[str]:
    """Return the sections of ordinary runs and of measurements, after the curves were drawn beside `out`."""
    parts = []
    if compared is not None:
        parts.append(table_in_markdown("Runs", compared.table))
        curves = [Curve(run.name, [run.curve]) for run in compared.runs if run.curve]
        if curves:
            plot = Plot("Training curves", {"": curves}, "Dashed: training error; solid: error judged on.")
            picture = draw_curves(plot, out.with_name(f"{out.stem}-curves.png"))
            parts.append(f"![Training curves]({picture.name})\n")
    if measured is not None:
        parts.append(table_in_markdown("Measurements of speed", measured))
    return parts


def _markdown(
    head: str,
    outcomes: Sequence[ClaimOutcome],
    later: Sequence[LaterOutcome],
    comparisons: Sequence[PaperComparison],
    figures: dict[str, Plot],
    records: Sequence[ExperimentRecord],
    out: Path,
) -> str:
    """Return the report as Markdown, after the figures were drawn beside `out`."""
    parts = [head, verdicts_in_markdown("The paper's claims", tally(outcomes), "claim", claim_rows(outcomes))]
    parts += map(comparison_in_markdown, comparisons)
    if later:
        parts.append(
            verdicts_in_markdown("Designs after the paper", ABOUT_LATER, "designs", later_rows(later))
        )
    if comparisons:
        draw_designs(out.with_name("units.svg"))
        parts.append("## The units of Tables 1 and 2\n\n![A unit of each design](units.svg)\n")
    for name, plot in figures.items():
        for suffix in (".png", ".pdf"):
            draw_curves(plot, out.with_name(name + suffix))
        parts.append(
            f"## {plot.title}\n\n![{plot.title}]({name}.png)\n\n{plot.caption} [As PDF]({name}.pdf).\n"
        )
    parts.append(write_costs_in_markdown(_costs(records)))
    return "\n".join(parts)


def _spread(records: Sequence[ExperimentRecord]) -> dict[str, list[float]]:
    errors: dict[str, list[float]] = defaultdict(list)
    for record in records:
        if record.test_error is not None:
            errors[_name_of(record)].append(record.test_error)
    return errors


def _name_of(record: ExperimentRecord) -> str:
    return ", ".join(filter(None, [label_of(record), record.scale, setting_of(record).description]))


def _costs(records: Sequence[ExperimentRecord]) -> list[Cost]:
    groups: dict[tuple[str, str], list[ExperimentRecord]] = defaultdict(list)
    for record in records:
        if record.wall_seconds:
            groups[_name_of(record), record.machine or ""].append(record)
    costs = []
    for (label, machine), found in groups.items():
        speeds = [record.images_per_second for record in found if record.images_per_second]
        costs.append(
            Cost(
                label=label,
                runs=len(found),
                petaflop=sum(record.train_flops or 0 for record in found) / len(found) / 1e15,
                images_per_second=fmean(speeds) if speeds else None,
                hours=sum(record.wall_seconds or 0 for record in found) / 3600,
                machine=machine,
            )
        )
    return costs
