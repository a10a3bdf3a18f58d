"""The picture of the residual unit that a run trained, made again from its recipe."""

from pathlib import Path

from resunit.errors import ResunitError
from resunit.models.drawing import render_unit
from resunit.models.drawing.named_network import network_without_weights
from resunit.models.registry import create_model
from resunit.training.recipe import read_recipe


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
