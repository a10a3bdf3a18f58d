"""Recipes, their settings and the learning rates they lead to."""

import itertools
import json
import subprocess
import sys

import pytest
from resunit.training.settings import recipe_from_json, with_settings

from resunit.errors import UsageError
from resunit.training.recipe import RECIPES, named_recipe
from resunit.training.schedule import learning_rate


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_survives_json(name: str) -> None:
    recipe = with_settings(named_recipe(name), ["gate_bias=-7", "seed=3"])
    assert recipe_from_json(json.loads(json.dumps(recipe.to_json()))) == recipe


def test_recipes_import_no_torch() -> None:
    code = "import sys, resunit, resunit.training.recipe; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_papers_learning_rates() -> None:
    recipe = named_recipe("paper")
    rates = {
        step: learning_rate(recipe, step, 64_000)
        for step in (0, 399, 400, 31_999, 32_000, 47_999, 48_000, 63_999)
    }
    assert list(rates.values()) == pytest.approx([0.01, 0.01, 0.1, 0.1, 0.01, 0.01, 0.001, 0.001])


def test_the_published_codes_learning_rates() -> None:
    recipe, epoch = named_recipe("fb"), 390
    rates = [learning_rate(recipe, step * epoch, 164 * epoch) for step in (0, 80, 81, 121, 122, 163)]
    assert rates == pytest.approx([0.1, 0.1, 0.01, 0.01, 0.001, 0.001])


def test_the_papers_learning_rates_on_imagenet() -> None:
    recipe, epoch = named_recipe("imagenet"), 5004
    rates = [learning_rate(recipe, step * epoch, 90 * epoch) for step in (0, 29, 30, 59, 60, 89)]
    assert rates == pytest.approx([0.1, 0.1, 0.01, 0.01, 0.001, 0.001])


def test_a_recipe_written_before_a_field_existed_has_its_default() -> None:
    record = named_recipe("paper").to_json()
    del record["crop"], record["colour"]
    assert recipe_from_json(record) == named_recipe("paper")
    del record["learning_rate"]
    with pytest.raises(UsageError, match="the recipe lacks learning_rate"):
        recipe_from_json(record)


def test_steps_compress_the_whole_schedule() -> None:
    recipe = with_settings(named_recipe("paper"), ["steps=640"])
    rates = [learning_rate(recipe, step, 640) for step in (3, 4, 319, 320, 479, 480)]
    assert rates == pytest.approx([0.01, 0.1, 0.1, 0.01, 0.01, 0.001])


def test_a_linear_schedule_is_a_triangle() -> None:
    recipe = with_settings(
        named_recipe("paper"), ["schedule=linear", "warmup=0.2", "warmup_learning_rate=0", "learning_rate=1"]
    )
    rates = [learning_rate(recipe, step, 100) for step in range(100)]
    peak = rates.index(max(rates))
    assert peak == 20
    assert rates[20] == 1
    assert all(a < b for a, b in itertools.pairwise(rates[:21]))
    assert all(a > b for a, b in itertools.pairwise(rates[20:]))
    assert 0 < rates[-1] < 0.02


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("stepz=3", "unknown recipe field 'stepz'; did you mean 'steps'"),
        ("steps", "'steps' is not FIELD=VALUE"),
        ("steps=many", "steps must be a whole number, not 'many'"),
        ("steps=0", "steps must be at least 1"),
        ("learning_rate=0", "learning_rate must be above 0"),
        ("weight_decay=1e999", "weight_decay cannot be inf"),
        ("seed=5000000000", "seed must be at least 0 and at most"),
        ("epochs=0", "epochs must be above 0"),
        ("name=mine", "unknown recipe field 'name'"),
        ("learning_rate=fast", "learning_rate must be a number"),
        ("nesterov=maybe", "nesterov must be true or false"),
        ("precision=fp8", "unknown precision 'fp8'"),
        ("gate_bias=open", "gate_bias must be a number"),
        ("milestones=0.5,1.5", "milestones are rising fractions"),
        ("momentum=1", r"momentum must be in \[0, 1\)"),
        ("learning_rate=nan", "learning_rate must be a number"),
    ],
)
def test_bad_settings_name_the_field(setting: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        with_settings(named_recipe("paper"), [setting])


def test_one_length_replaces_the_other() -> None:
    recipe = with_settings(named_recipe("paper"), ["epochs=2.5"])
    assert (recipe.epochs, recipe.steps) == (2.5, None)
    assert with_settings(recipe, ["steps=7"]).epochs is None


def test_unknown_recipe() -> None:
    with pytest.raises(UsageError, match="unknown recipe 'papr'; did you mean 'paper'"):
        named_recipe("papr")
