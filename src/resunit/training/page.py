"""The page of a run, with a picture of its unit and the differences from the named recipe."""

from pathlib import Path

from resunit.errors import ResunitError
from resunit.models.drawing import render_unit
from resunit.models.drawing.named_network import network_without_weights
from resunit.models.registry import create_model
from resunit.reports.run_page import write_run_page
from resunit.runs.folder import RunFolder
from resunit.training.recipe import read_recipe
from resunit.training.recipes import RECIPES


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


def draw_unit_of_run(folder: Path) -> str:
    """Return the SVG of the most frequent unit in the network of a run.

    The SVG is empty if the recipe cannot be read, or if it names a design of the user's own that was not added,
    because a recipe does not import code. A network that came with the weights is known once the run is finished.
    """
    try:
        recipe = read_recipe(folder)
        if recipe.model is None:
            return render_unit(create_model(weights=folder))
        return render_unit(network_without_weights(recipe.model, recipe.design, recipe.model_options))
    except ResunitError:
        return ""
