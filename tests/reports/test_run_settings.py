"""The settings of a run beside those of the recipe that it started from."""

from resunit.reports.run_settings import RunSetting, select_settings

NAMED = {"name": "paper", "steps": 100, "precision": "auto", "mixup": 0.0, "model_options": {}}


def test_settings_are_changed_decided_by_the_machine_or_as_the_recipe_says() -> None:
    recipe = {**NAMED, "steps": 60, "precision": "fp32", "model_options": {"gate_bias": -3.0}}
    found = select_settings(recipe, NAMED)
    assert found.changed == [RunSetting("steps", 60, 100), RunSetting("gate_bias", -3.0, None)]
    assert found.decided == [RunSetting("precision", "fp32", "auto")]
    assert [setting.name for setting in found.others] == ["name", "mixup"]


def test_fields_that_an_older_recipe_lacks_are_no_difference() -> None:
    recipe = {name: value for name, value in NAMED.items() if name != "mixup"}
    assert select_settings(recipe, NAMED).changed == []


def test_an_option_that_the_run_leaves_out_is_a_difference() -> None:
    named = {**NAMED, "model_options": {"widths": [64]}}
    assert select_settings(NAMED, named).changed == [RunSetting("widths", None, [64])]


def test_without_a_named_recipe_nothing_differs() -> None:
    found = select_settings(NAMED, None)
    assert not found.changed
    assert {setting.name for setting in found.others} == {*NAMED} - {"model_options"}
