"""The checks that a resumed run still has the recipe, the data and the network with which it began."""

import shlex
from collections.abc import Mapping

from resunit.errors import RunError
from resunit.runs.folder import RunFolder
from resunit.runs.schema import Environment, Given
from resunit.training.recipe import Recipe, recipe_from_json

# These fields may change when a run is resumed, because they change none of its numbers. The folder `data` and the
# file `weights` may have moved, because checksums tell whether they are the same.
MAY_CHANGE = (
    "name", "data", "weights", "device", "activation_checkpointing", "checkpoint_every", "capture",
    "cudnn_benchmark",
)  # fmt: skip
LENGTH = ("epochs", "steps")


def check_recipe_of_run(
    folder: RunFolder, recipe: Recipe, environment: Environment, *, gets_new_length: bool = False
) -> None:
    """Check that a run's recipe.json is still the recipe that the run began with.

    Args:
        folder: the run's folder.
        recipe: the recipe in its recipe.json.
        environment: what the run recorded when it began, or when it got a new length. Older runs recorded no
            recipe, and pass.
        gets_new_length: whether the length does not matter, because the run gets a new one.

    Raises:
        RunError: the recipe was edited; the message names the first field that differs.
    """
    if environment.recipe is None:
        return
    began, now = recipe_from_json(environment.recipe, str(folder.environment)).to_json(), recipe.to_json()
    may_change = (*MAY_CHANGE, *LENGTH) if gets_new_length else MAY_CHANGE
    for name in now:
        if name not in may_change and now[name] != began[name]:
            raise RunError(
                f"{folder.recipe}: {name} is {now[name]!r}, and this run began with {began[name]!r}; change it back, "
                f"or start a new run with `resunit train --config {shlex.quote(str(folder.recipe))}`"
            )


def check_given(folder: RunFolder, environment: Environment, is_given: Mapping[Given, bool]) -> None:
    """Raise RunError unless Python code gives a resumed run what it gave when the run began.

    Args:
        folder: the run's folder.
        environment: what the run recorded when it began.
        is_given: whether `data` and `model` are given now.
    """
    for name, given in is_given.items():
        began = name in environment.given
        if began and not given:
            raise RunError(
                f"{folder.path}: Python code gave this run its {name}; go on with resunit.resume(path, {name}=...)"
            )
        if given and not began:
            raise RunError(f"{folder.path}: this run has its {name} from its recipe; leave {name} out")
