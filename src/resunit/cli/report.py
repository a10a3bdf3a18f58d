"""`resunit report`: pages from the records of runs."""

from pathlib import Path

from resunit.cli.app import COMMON, DONE, Common, answer, app, tell, tell_json
from resunit.cli.tables import print_table
from resunit.cli.unknown_options import find_meant_field
from resunit.errors import UsageError
from resunit.io.progress import working


@app.command(
    help_epilogue="Examples:\n"
    "  resunit report runs/quick-1\n"
    "  resunit report runs/quick-1 runs/quick-2 --against learning-rate\n"
    "  resunit report runs/ results/reproduce-laptop.jsonl --out report.html"
)
def report(*paths: Path, out: Path | None = None, against: str | None = None, common: Common = COMMON) -> int:
    """Write the page of one run again, or compare many runs: one table, one plot, one page.

    Args:
        paths: The folder of one run; or folders of runs, folders that hold them, and files of records.
        out: The page of many runs, report.html by default; a .md file gets Markdown and pictures.
        against: Draw the error against this field of the recipe; by default the only field that differs.
    """
    if not paths:
        raise UsageError("report needs runs: resunit report PATH...")
    if len(paths) == 1 and (paths[0] / "recipe.json").exists() and out is None and against is None:
        from resunit.training.page import write_page

        with working(f"drawing the page of {paths[0]}", shown=not common.json):
            page = str(write_page(paths[0]))
        return answer(common, {"report": page}, page)
    from resunit.reproduction.report import write_report

    field = None if against is None else find_meant_field(against)
    with working("drawing the report", shown=not common.json):
        written = write_report(paths, out or Path("report.html"), field)
    if common.json:
        tell_json({"report": str(written.path), "runs": [run.to_json() for run in written.runs]})
        return DONE
    for table in written.tables:
        print_table(table)
        print()
    tell(str(written.path))
    return DONE
