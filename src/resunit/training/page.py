"""The page of a run, beside the named recipe that the run started from."""

from pathlib import Path

from resunit.reports import write_run_page
from resunit.runs.folder import RunFolder
from resunit.training.recipes import RECIPES


def write_page(folder: Path) -> Path:
    """Write ``report.html`` into a run's folder from its records, and return its path.

    Raises:
        RunError: the folder is not a run's, or the run has no result yet.
        FileFormatError: a record is damaged or of a newer format; the message names the file.
        WriteError: the page cannot be written.
    """
    name = RunFolder(folder).read_recipe().get("name")
    named = RECIPES[name]().to_json() if isinstance(name, str) and name in RECIPES else None
    return write_run_page(folder, named)
