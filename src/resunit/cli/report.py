"""`resunit report`: pages from records."""

from pathlib import Path

from resunit.cli.app import COMMON, DONE, Common, app, tell_json
from resunit.errors import UsageError


@app.command(
    help_epilogue="Examples:\n"
    "  resunit report runs/quick-1\n"
    "  resunit report runs/ results/reproduce-mini.jsonl --out report.html"
)
def report(*paths: Path, out: Path | None = None, common: Common = COMMON) -> int:
    """Write the page of a run anew, or one page of many runs.

    Parameters
    ----------
    paths
        A run's folder; or several, folders that hold runs, and files of records.
    out
        Where the page of many runs goes: report.html by default, or a .md file for docs.
    """
    if not paths:
        raise UsageError("report needs runs: resunit report PATH...")
    if len(paths) == 1 and (paths[0] / "recipe.json").exists() and out is None:
        from resunit.reports import write_run_page

        page = write_run_page(paths[0])
    else:
        from resunit.reproduction.report import write_report

        page = write_report(paths, out or Path("report.html"))
    if common.json:
        tell_json({"report": str(page)})
    else:
        print(page)
    return DONE
