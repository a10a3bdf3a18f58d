"""The page of a run, with a picture of its unit and the differences from the named recipe."""

from pathlib import Path

from resunit.reports.run_page import write_run_page
from resunit.runs.folder import RunFolder
from resunit.training.recipes import RECIPES
from resunit.training.unit_of_run import draw_unit_of_run


def write_page(folder: Path, unit: str | None = None) -> Path:
    """Write ``report.html`` into a run's folder from its records, and return its path.

    Args:
        folder: the run's folder.
        unit: the SVG of the residual unit that the run trained; by default made again from the recipe.

    Raises:
        RunError: the folder is not a run's, or the run has no result yet.
        FileFormatError: a record is damaged or of a newer format; the message names the file.
        WriteError: the page cannot be written.
    """
    name = RunFolder(folder).read_recipe().get("name")
    named = RECIPES[name]().to_json() if isinstance(name, str) and name in RECIPES else None
    return write_run_page(folder, draw_unit_of_run(folder) if unit is None else unit, named)
