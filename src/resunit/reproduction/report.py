"""`resunit report` of many runs: a page, or Markdown with pictures for docs."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from resunit.errors import UsageError
from resunit.io.atomic import write_atomically
from resunit.io.places import user_path
from resunit.reports.comparison import Comparison, claims_in_markdown, comparison_in_markdown
from resunit.reports.costs import Cost, costs_in_markdown
from resunit.reports.curves import Plot, draw_curves
from resunit.reports.runs_page import runs_page
from resunit.reproduction.claims import ClaimOutcome, judge
from resunit.reproduction.evidence import read_records
from resunit.reproduction.experiment import Experiment
from resunit.reproduction.pictures import curves_by_network, figure
from resunit.reproduction.publication import (
    claim_rows,
    comparison,
    has_any,
    label_of,
    tally,
    with_own_rows,
)
from resunit.reproduction.recording import record_of
from resunit.reproduction.setting import setting_of
from resunit.reproduction.tables import TABLES
from resunit.runs.read import read_run
from resunit.runs.schema import ExperimentRecord
from resunit.training.recipe import recipe_from_json

SUFFIXES = (".html", ".md")
HEAD = """# The paper's tables, measured

This page puts every row that was trained here beside the paper's number, and says which of the paper's claims held.
It was made by `resunit report {paths} --out {out}`.
Brackets hold Welch's 95 % intervals over seeds.
All p-values are corrected over all comparisons by Holm's method.
A verdict needs at least 3 seeds.
"""


def write_report(paths: Sequence[Path], out: Path) -> Path:
    """Write one report of all runs in `paths`, and return its path.

    Args:
        paths: run folders, folders that hold such, and files of records.
        out: a file that ends in .html, or in .md: then figures are PNG and PDF files beside it.

    Raises:
        UsageError: there is nothing to report on, or `out` has another suffix.
        FileFormatError: a record is damaged; the message names its file.
        RunError: a run has not ended.
        WriteError: the report cannot be written.
    """
    paths, out = list(map(user_path, paths)), user_path(out)
    if out.suffix not in SUFFIXES:
        raise UsageError(f"--out {out}: a report ends in {' or '.join(SUFFIXES)}")
    everything = [record for path in paths for record in found_in(path)]
    # One run may stand in a file of records and in its folder as well.
    records = list({record.identity or id(record): record for record in everything}.values())
    if not records:
        raise UsageError(
            f"no runs in {', '.join(map(str, paths))}; `resunit train` and `reproduce` make some"
        )
    of_tables = [record for record in records if record.table]
    tables = {name: with_own_rows(name, table, of_tables) for name, table in TABLES.items()}
    comparisons = [
        comparison(table, of_tables)
        for name, table in tables.items()
        if has_any(table, of_tables) and (table is not TABLES[name] or name.startswith("table"))
    ]
    figures = {name: plot for name, table in tables.items() if (plot := figure(table, of_tables))}
    outcomes = judge(of_tables) if of_tables else []
    if out.suffix == ".md":
        head = HEAD.format(paths=" ".join(map(str, paths)), out=out)
        write_atomically(out, _markdown(head, outcomes, comparisons, figures, records, out).encode())
        return out
    others = curves_by_network(record for record in records if not record.table)
    page = runs_page(
        "The paper's experiments" if of_tables else "Runs",
        comparisons,
        claim_rows(outcomes),
        tally(outcomes),
        [*figures.values(), *([others] if others else [])],
        _spread(records),
        _costs(records),
    )
    write_atomically(out, page.encode())
    return out


def _markdown(
    head: str,
    outcomes: Sequence[ClaimOutcome],
    comparisons: Sequence[Comparison],
    figures: dict[str, Plot],
    records: Sequence[ExperimentRecord],
    out: Path,
) -> str:
    """Return the report as Markdown, after the figures were drawn beside `out`."""
    parts = [head, claims_in_markdown(claim_rows(outcomes), tally(outcomes))]
    parts += map(comparison_in_markdown, comparisons)
    for name, plot in figures.items():
        for suffix in (".png", ".pdf"):
            draw_curves(plot, out.with_name(name + suffix))
        parts.append(
            f"## {plot.title}\n\n![{plot.title}]({name}.png)\n\n{plot.caption} [As PDF]({name}.pdf).\n"
        )
    parts.append(costs_in_markdown(_costs(records)))
    return "\n".join(parts)


def found_in(path: Path) -> list[ExperimentRecord]:
    """Return the records of a file, of a run's folder, or of everything that a folder holds.

    Raises UsageError if there is no such path, and what `write_report` raises for damaged records.
    """
    if path.is_file():
        return read_records(path)
    if not path.is_dir():
        raise UsageError(f"{path}: no such file or folder")
    folders = sorted({file.parent for file in path.rglob("result.json")})
    files = sorted(path.rglob("reproduce-*.jsonl"))
    return [of_folder(folder) for folder in folders] + [r for file in files for r in read_records(file)]


def of_folder(folder: Path) -> ExperimentRecord:
    """Return the record of a run's folder, with table and row if `reproduce` made it.

    Raises FileFormatError for a damaged record, and RunError for a run that has not ended.
    """
    run = read_run(folder)
    if (folder.parent / "experiment.json").exists():
        return record_of(Experiment.stored(folder.parent), run)
    recipe = recipe_from_json(run.recipe, str(folder / "recipe.json"))
    result = run.result
    in_full = replace(recipe, model=result.model, design=result.design, epochs=None, steps=result.steps)
    return record_of(Experiment("", recipe.model, recipe.name, in_full.to_json(), ""), run)


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
    return [
        Cost(
            label=label,
            runs=len(found),
            petaflop=sum(record.train_flops or 0 for record in found) / len(found) / 1e15,
            images_per_second=_mean(found, lambda record: record.images_per_second),
            hours=sum(record.wall_seconds or 0 for record in found) / 3600,
            machine=machine,
        )
        for (label, machine), found in groups.items()
    ]


def _mean(
    records: Sequence[ExperimentRecord], number: Callable[[ExperimentRecord], float | None]
) -> float | None:
    values = [value for record in records if (value := number(record))]
    return sum(values) / len(values) if values else None
