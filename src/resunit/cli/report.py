"""`resunit report`: pages from records."""

from pathlib import Path

from resunit.cli.app import COMMON, DONE, Common, app, tell_json


@app.command(help_epilogue="Example:\n  resunit report runs/quick-1")
def report(folder: Path, *, common: Common = COMMON) -> int:
    """Write a run's report.html anew from its records.

    Parameters
    ----------
    folder
        A run's folder.
    """
    from resunit.reports import write_run_page

    page = write_run_page(folder)
    if common.json:
        tell_json({"report": str(page)})
    else:
        print(page)
    return DONE
