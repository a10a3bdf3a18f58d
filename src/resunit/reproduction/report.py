"""`resunit report` of many runs: a page, or Markdown with pictures for docs."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
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
    recorded = list(map(compare_experiment, found.experiments))
    recorded = make_run_table(with_all_options(recorded)) if recorded else None
    judged = _judge(found.experiments)
    if out.suffix == ".md":
        head = _sections_of_tables(judged, paths, out) if judged.records else ["# Runs compared\n"]
        text = "\n".join([*head, *_sections_of_runs(compared, measured, out)])
    else:
        designs = sorted({record.design for record in judged.records})
        text = render_runs_page(
            "The paper's experiments" if judged.records else "Runs compared",
            comparisons=judged.comparisons,
            claims=claim_rows(judged.outcomes),
            tally=tally(judged.outcomes),
            later=later_rows(judged.later),
            about_later=ABOUT_LATER,
            plots=list(judged.figures.values()),
            spread=_spread(judged.records),
            costs=_costs(judged.records),
            units=render_designs(designs) if designs else (),
            compared=compared,
            measurements=measured,
            recorded=recorded,
        )
    write_atomically(out, text.encode())
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


@dataclass(frozen=True)
class _Judged:
    """The recorded runs of the paper's tables, and what they say."""

    records: Sequence[ExperimentRecord]
    outcomes: Sequence[ClaimOutcome]
    later: Sequence[LaterOutcome]
    comparisons: Sequence[PaperComparison]
    figures: Mapping[str, Plot]


def _judge(records: Sequence[ExperimentRecord]) -> _Judged:
    tables = {name: with_own_rows(name, table, records) for name, table in TABLES.items()}
    later = [each for each in judge_later(records) if each.outcome.settings]
    comparisons = [
        make_comparison(table, records)
        for name, table in tables.items()
        if has_any(table, records)
        and (name.startswith("table") or table is not TABLES[name] or (name == "later" and later))
    ]
    figures = {name: plot for name, table in tables.items() if (plot := make_curves(table, records))}
    return _Judged(records, judge_claims(records) if records else [], later, comparisons, figures)


def _sections_of_runs(
    compared: RunsComparison | None, measured: SortableTable | None, out: Path
) -> Iterator[str]:
    """Yield the sections of ordinary runs and of measurements, and draw the curves beside `out`."""
    if compared is not None:
        yield table_in_markdown("Runs", compared.table)
        if curves := [Curve(run.name, [run.curve]) for run in compared.runs if run.curve]:
            plot = Plot("Training curves", {"": curves}, "Dashed: training error; solid: error judged on.")
            picture = draw_curves(plot, out.with_name(f"{out.stem}-curves.png"))
            yield f"![Training curves]({picture.name})\n"
    if measured is not None:
        yield table_in_markdown("Measurements of speed", measured)


def _sections_of_tables(judged: _Judged, paths: Sequence[Path], out: Path) -> Iterator[str]:
    """Yield the sections of the paper's tables, claims and figures, and draw the figures beside `out`."""
    yield HEAD.read_text().format(paths=" ".join(map(str, paths)), out=out, margins=describe_margins(MARGINS))
    claims = claim_rows(judged.outcomes)
    yield verdicts_in_markdown("The paper's claims", tally(judged.outcomes), "claim", claims)
    yield from map(comparison_in_markdown, judged.comparisons)
    if judged.later:
        later = later_rows(judged.later)
        yield verdicts_in_markdown("Designs after the paper", ABOUT_LATER, "designs", later)
    if judged.comparisons:
        draw_designs(out.with_name("units.svg"))
        yield "## The units of Tables 1 and 2\n\n![A unit of each design](units.svg)\n"
    for name, plot in judged.figures.items():
        for suffix in (".png", ".pdf"):
            draw_curves(plot, out.with_name(name + suffix))
        yield f"## {plot.title}\n\n![{plot.title}]({name}.png)\n\n{plot.caption} [As PDF]({name}.pdf).\n"
    yield write_costs_in_markdown(_costs(judged.records))


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
