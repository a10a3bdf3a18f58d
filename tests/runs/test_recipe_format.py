from typing import Any

import pytest

from resunit.errors import FileFormatError
from resunit.runs.recipe_format import NAMES_SINCE_FORMAT_1, RECIPE_FORMAT, upgrade_recipe

OLD = {
    "name": "quick",
    "group_size": 64,
    "drops": [0.5, 0.75],
    "scales": [0.75],
    "scale_ends": [0.5],
    "augmented_views": True,
    "memory": "small",
    "model_options": {"widening": "B", "gate_bias": -3.0},
}
NEW = {
    "name": "quick",
    "ghost_batch_size": 64,
    "milestones": [0.5, 0.75],
    "resize_scales": [0.75],
    "resize_ends": [0.5],
    "tta": True,
    "activation_checkpointing": "small",
    "model_options": {"shortcut_option": "B", "gate_bias": -3.0},
    "format": RECIPE_FORMAT,
}


@pytest.mark.parametrize("record", [OLD, {**OLD, "format": 1}])
def test_fields_of_format_1_get_the_names_of_today(record: dict[str, Any]) -> None:
    assert upgrade_recipe(record, "recipe.json") == NEW


def test_the_record_itself_is_not_changed() -> None:
    record = {**OLD, "model_options": dict(OLD["model_options"])}
    upgrade_recipe(record, "recipe.json")
    assert record == OLD


def test_a_recipe_of_the_newest_format_stays_as_it_is() -> None:
    assert upgrade_recipe(NEW, "recipe.json") == NEW


@pytest.mark.parametrize("old_name", NAMES_SINCE_FORMAT_1)
def test_old_names_mean_nothing_in_the_newest_format(old_name: str) -> None:
    assert old_name in upgrade_recipe({"format": RECIPE_FORMAT, old_name: 1}, "recipe.json")


def test_a_newer_recipe_is_refused_naming_file_and_writer() -> None:
    record = {"format": RECIPE_FORMAT + 1, "resunit": "9.8.7"}
    with pytest.raises(FileFormatError, match=r"runs/x/recipe\.json.*9\.8\.7"):
        upgrade_recipe(record, "runs/x/recipe.json")


@pytest.mark.parametrize("number", ["2", 0, True, 2.0])
def test_what_is_no_format_number_is_refused(number: object) -> None:
    with pytest.raises(FileFormatError, match=r"recipe\.json"):
        upgrade_recipe({"format": number}, "recipe.json")
