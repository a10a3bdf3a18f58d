"""`resunit report`: pages from the records of runs."""

from pathlib import Path

from resunit.cli.app import COMMON, DONE, Common, app, tell_json
from resunit.errors import UsageError


@app.command(
    help_epilogue="Examples:\n"
    "  resunit report runs/quick-1\n"
    "  resunit report runs/ results/reproduce-mini.jsonl --out report.html"
)
def report(*paths: Path, out: Path | None = None, common: Common = COMMON) -> int:
    """Write the page of one run again, or one page of many runs.

    Args:
        paths: The folder of one run; or folders of runs, folders that hold them, and files of records.
        out: The page of many runs, report.html by default; a .md file gets Markdown and pictures.
        common: The options of every command.
    """
    if not paths:
        raise UsageError("report needs runs: resunit report PATH...")
    if len(paths) == 1 and (paths[0] / "recipe.json").exists() and out is None:
        from resunit.reports import write_run_page
        from resunit.training.unit_of_run import unit_of_run

        page = write_run_page(paths[0], unit_of_run(paths[0]))
    else:
        from resunit.reproduction.report import write_report

        page = write_report(paths, out or Path("report.html"))
    if common.json:
        tell_json({"report": str(page)})
    else:
        print(page)
    return DONE
