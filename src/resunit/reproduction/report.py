"""`resunit report` of many runs: a page, or Markdown with pictures for docs."""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from resunit.errors import RunError, UsageError
from resunit.io.atomic import write_atomically
from resunit.reports.comparison import claims_in_markdown, comparison_in_markdown
from resunit.reports.costs import Cost, costs_in_markdown
from resunit.reports.curves import draw_curves
from resunit.reports.runs_page import runs_page
from resunit.reproduction.claims import judge
from resunit.reproduction.experiment import Experiment
from resunit.reproduction.one_run import record_of
from resunit.reproduction.pictures import curves_by_network, figure
from resunit.reproduction.publication import (
    Record,
    comparison,
    findings,
    has_any,
    labelled,
    tally,
    with_own_rows,
)
from resunit.reproduction.records import read_records
from resunit.reproduction.setting import setting_of
from resunit.reproduction.tables import TABLES
from resunit.runs.folder import RunFolder
from resunit.training.recipe import stored_recipe

SUFFIXES = (".html", ".md")
HEAD = """# The paper's tables, measured

Made by `resunit report {paths} --out {out}`. How verdicts are formed: Welch's 95 % intervals over seeds, in
brackets; p-values corrected over all comparisons by Holm's method; never a verdict on fewer than 3 seeds.
"""


def write_report(paths: Sequence[Path], out: Path) -> Path:
    """One report of all runs in `paths`: run folders, folders that hold some, files of records.

    `out` ends in .html, or in .md: then the figures are PNG and PDF files beside it. Raises UsageError where
    there is nothing to report on, and OSError for what is damaged.
    """
    if out.suffix not in SUFFIXES:
        raise UsageError(f"--out {out}: a report ends in {' or '.join(SUFFIXES)}")
    everything = [record for path in paths for record in found_in(path)]
    # A run may be in a file of records and in its folder as well.
    records = list({record["identity"] or id(record): record for record in everything}.values())
    if not records:
        raise UsageError(
            f"no runs in {', '.join(map(str, paths))}; `resunit train` and `reproduce` make some"
        )
    of_tables = [record for record in records if record["table"]]
    tables = {name: with_own_rows(name, table, of_tables) for name, table in TABLES.items()}
    comparisons = [
        comparison(table, of_tables)
        for name, table in tables.items()
        if has_any(table, of_tables) and (table is not TABLES[name] or name.startswith("table"))
    ]
    figures = {name: plot for name, table in tables.items() if (plot := figure(table, of_tables))}
    verdicts = judge(of_tables) if of_tables else []
    if out.suffix == ".md":
        parts = [
            HEAD.format(paths=" ".join(map(str, paths)), out=out),
            claims_in_markdown(findings(verdicts), tally(verdicts)),
        ]
        parts += map(comparison_in_markdown, comparisons)
        for name, plot in figures.items():
            for suffix in (".png", ".pdf"):
                draw_curves(plot, out.with_name(name + suffix))
            parts.append(
                f"## {plot.title}\n\n![{plot.title}]({name}.png)\n\n{plot.caption} [As PDF]({name}.pdf).\n"
            )
        parts.append(costs_in_markdown(_costs(records)))
        write_atomically(out, "\n".join(parts).encode())
        return out
    others = curves_by_network(record for record in records if not record["table"])
    page = runs_page(
        "The paper's experiments" if of_tables else "Runs",
        comparisons,
        findings(verdicts),
        tally(verdicts),
        [*figures.values(), *([others] if others else [])],
        _spread(records),
        _costs(records),
    )
    write_atomically(out, page.encode())
    return out


def found_in(path: Path) -> list[dict[str, Any]]:
    """The records of a file, of a run's folder, or of all runs and `reproduce`'s records in a folder."""
    if path.is_file():
        return read_records(path)
    if not path.is_dir():
        raise UsageError(f"{path}: no such file or folder")
    folders = sorted({file.parent for file in path.rglob("result.json")})
    files = sorted(path.rglob("reproduce-*.jsonl"))
    return [of_folder(folder) for folder in folders] + [r for file in files for r in read_records(file)]


def of_folder(folder: Path) -> dict[str, Any]:
    """The record of a run's folder; of one that `reproduce` made, with its table and row."""
    run = RunFolder(folder)
    result = run.read("result.json")
    if (folder.parent / "experiment.json").exists():
        experiment = Experiment.stored(folder.parent)
    else:
        recipe = stored_recipe(run)
        shown = {"model": result["model"], "design": result["design"], "steps": result["steps"]}
        experiment = Experiment("", recipe.model, recipe.name, recipe.to_json() | shown, "")
    try:
        return record_of(experiment, run, result)
    except KeyError as error:
        raise RunError(f"{folder}: its records lack {error}; train it again") from error


def _spread(records: Sequence[Record]) -> dict[str, list[float]]:
    errors: dict[str, list[float]] = defaultdict(list)
    for record in records:
        if record["test_error"] is not None:
            errors[_named(record)].append(record["test_error"])
    return errors


def _named(record: Record) -> str:
    return ", ".join(filter(None, [labelled(record), record["scale"], setting_of(record).words]))


def _costs(records: Sequence[Record]) -> list[Cost]:
    groups: dict[tuple[str, str], list[Record]] = defaultdict(list)
    for record in records:
        if record.get("wall_seconds"):
            groups[_named(record), record["machine"]].append(record)
    return [
        Cost(
            label=label,
            runs=len(found),
            petaflop=sum(r["train_flops"] for r in found) / len(found) / 1e15,
            images_per_second=_mean([r["images_per_second"] for r in found if r["images_per_second"]]),
            hours=sum(r["wall_seconds"] for r in found) / 3600,
            machine=machine,
        )
        for (label, machine), found in groups.items()
    ]


def _mean(values: list[float]) -> float | None:
    return sum(values) / len(values) if values else None
