"""Recipes: valid from the start, changed by name, read from every format, and the learning rates they lead to."""

import itertools
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from resunit.errors import FileFormatError, RunError, UsageError
from resunit.io.fields import docstrings_of, topic_of
from resunit.runs.folder import RunFolder
from resunit.training.loop import train
from resunit.training.recipe import (
    FIELDS,
    Recipe,
    read_recipe,
    read_stored_recipe,
    recipe_from_json,
    with_changes,
)
from resunit.training.recipes import RECIPES, named_recipe
from resunit.training.schedule import learning_rate

NOT_OPTIONS = {"name", "model_options"}


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_survives_json(name: str) -> None:
    recipe = with_changes(named_recipe(name), {"model": "resnet50", "gate_bias": -7, "seed": 3})
    record = json.loads(json.dumps(recipe.to_json()))
    assert record["format"] == 2
    assert recipe_from_json(record) == recipe


def test_every_field_explains_itself() -> None:
    documented = docstrings_of(Recipe)
    assert set(documented) == set(FIELDS)
    assert all(text.endswith(".") for text in documented.values())
    assert {name for name, kind in FIELDS.items() if topic_of(kind) is None} == NOT_OPTIONS


@pytest.mark.parametrize("name", RECIPES)
def test_a_named_recipe_says_its_command_and_the_error_to_expect(name: str) -> None:
    text = RECIPES[name].__doc__ or ""
    assert "Command: `resunit train" in text
    assert "Error: " in text


def test_recipes_import_no_torch() -> None:
    code = "import sys, resunit, resunit.training.recipes; sys.exit('torch' in sys.modules)"
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


def test_steps_compress_the_whole_schedule() -> None:
    recipe = with_changes(named_recipe("paper"), {"steps": 640})
    rates = [learning_rate(recipe, step, 640) for step in (3, 4, 319, 320, 479, 480)]
    assert rates == pytest.approx([0.01, 0.1, 0.1, 0.01, 0.01, 0.001])


def test_a_linear_schedule_is_a_triangle() -> None:
    recipe = with_changes(
        named_recipe("paper"),
        {"schedule": "linear", "warmup": 0.2, "warmup_learning_rate": 0, "learning_rate": 1},
    )
    rates = [learning_rate(recipe, step, 100) for step in range(100)]
    peak = rates.index(max(rates))
    assert peak == 20
    assert rates[20] == 1
    assert all(a < b for a, b in itertools.pairwise(rates[:21]))
    assert all(a > b for a, b in itertools.pairwise(rates[20:]))
    assert 0 < rates[-1] < 0.02


def test_a_cosine_schedule_is_torchs_after_its_warmup() -> None:
    recipe = with_changes(
        named_recipe("paper"),
        {"schedule": "cosine", "warmup": 0.2, "warmup_learning_rate": 0, "learning_rate": 0.3},
    )
    parameter = nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([parameter], lr=0.3)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=80)
    expected = []
    for _ in range(80):
        expected.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    rates = [learning_rate(recipe, step, 100) for step in range(100)]
    assert rates[20:] == pytest.approx(expected)
    assert rates[:20] == pytest.approx([0.3 * (step + 1) / 21 for step in range(20)])


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"stepz": 3}, "'steps'"),
        ({"gate_bais": 3}, "'gate_bias'"),
        ({"steps": "many"}, "steps .*'many'"),
        ({"steps": 0}, "steps .*1.* 0"),
        ({"learning_rate": 0}, "learning_rate .*0"),
        ({"learning_rate": float("nan")}, "learning_rate"),
        ({"weight_decay": float("inf")}, "weight_decay"),
        ({"seed": 5_000_000_000}, "seed .* 0 .* 4,294,967,295"),
        ({"epochs": 0}, "epochs .*0"),
        ({"nesterov": "maybe"}, "nesterov .*'maybe'"),
        ({"precision": "fp8"}, "precision.*'fp32'"),
        ({"gate_bias": "open"}, "gate_bias .*'open'"),
        ({"drop_probability": 1}, "drop_probability .* 0 .* 1"),
        ({"milestones": (0.5, 1.5)}, r"milestones .* 0 .* 1, .*1\.5"),
        ({"milestones": (0.5, 0.25)}, "milestones"),
        ({"momentum": 1}, "momentum .* 0 .* 1"),
        ({"momentum": 0, "nesterov": True}, "nesterov"),
        ({"resize_scales": (0.5,)}, "resize_ends"),
        ({"resize_scales": (1.5,), "resize_ends": (0.5,)}, r"resize_scales .* 0 .* 1, .*1\.5"),
        ({"colour": True}, "colour"),
        ({"crop": "scale", "normalisation": "channel"}, "padding"),
        ({"crop": "scale", "padding": 0}, "normalisation"),
        ({"steps": None}, "epochs.*steps"),
        ({"steps": 3, "epochs": 3}, "epochs 3.*steps 3"),
    ],
)
def test_an_invalid_recipe_cannot_be_made(changes: dict[str, Any], named: str) -> None:
    with pytest.raises(UsageError, match=named):
        with_changes(named_recipe("paper"), changes)


def test_one_length_replaces_the_other() -> None:
    recipe = with_changes(named_recipe("paper"), {"epochs": 2.5})
    assert (recipe.epochs, recipe.steps) == (2.5, None)
    assert with_changes(recipe, {"steps": 7}).epochs is None
    with pytest.raises(UsageError, match="with_changes"):
        replace(recipe, steps=7)


def test_model_options_are_changed_by_name_and_taken_away_by_none() -> None:
    recipe = with_changes(named_recipe("paper"), {"gate_bias": -3, "stride_on": "3x3"})
    assert recipe.model_options == {"gate_bias": -3.0, "stride_on": "3x3"}
    assert with_changes(recipe, {"gate_bias": None}).model_options == {"stride_on": "3x3"}


def test_a_design_of_the_users_own_takes_any_option() -> None:
    recipe = with_changes(named_recipe("paper"), {"design": "mine:Squeeze", "reduction": 4})
    assert recipe.model_options == {"reduction": 4}


def test_an_option_of_another_design_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    recipe = with_changes(named_recipe("paper"), {"data": "cifar10-sample", "gate_bias": -3.0})
    with pytest.raises(UsageError, match="gate_bias"):
        train(recipe, out=tmp_path / "run")
    assert not list(tmp_path.iterdir())


def test_a_recipe_keeps_its_own_model_options() -> None:
    options = {"gate_bias": -3}
    recipe = replace(named_recipe("paper"), model_options=options)
    options["gate_bias"] = -4
    assert recipe.model_options == {"gate_bias": -3}


def test_a_recipe_written_before_a_field_existed_has_its_default() -> None:
    record = named_recipe("paper").to_json()
    del record["crop"], record["colour"]
    assert recipe_from_json(record) == named_recipe("paper")
    del record["learning_rate"]
    with pytest.raises(FileFormatError, match=r"mine\.json: .*learning_rate"):
        recipe_from_json(record, "mine.json")


def test_a_recipe_of_format_1_has_todays_names() -> None:
    record = with_changes(named_recipe("quick"), {"shortcut_option": "B"}).to_json()
    del record["format"]
    record |= {
        "group_size": record.pop("ghost_batch_size"),
        "drops": record.pop("milestones"),
        "scales": record.pop("resize_scales"),
        "scale_ends": record.pop("resize_ends"),
        "augmented_views": record.pop("tta"),
        "memory": record.pop("activation_checkpointing"),
        "model_options": {"widening": "B"},
    }
    assert recipe_from_json(record) == with_changes(named_recipe("quick"), {"shortcut_option": "B"})


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"learning_rte": 0.1}, "learning_rate"),
        ({"learning_rate": "fast"}, "learning_rate"),
        ({"padding": -1}, "padding"),
        ({"model_options": {"gate_bias": "open"}}, "gate_bias"),
        ({"format": 3}, "3"),
    ],
)
def test_a_damaged_file_names_itself_and_the_field(
    tmp_path: Path, changes: dict[str, Any], field: str
) -> None:
    file = tmp_path / "recipe.json"
    file.write_text(json.dumps(named_recipe("paper").to_json() | changes))
    for read in (lambda: read_recipe(file), lambda: read_stored_recipe(RunFolder(tmp_path))):
        with pytest.raises(FileFormatError, match=rf"recipe\.json: .*{field}"):
            read()


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileFormatError, match=r"none\.json"):
        read_recipe(tmp_path / "none.json")
    with pytest.raises(RunError, match=r"recipe\.json"):
        read_stored_recipe(RunFolder(tmp_path))


def test_unknown_recipe() -> None:
    with pytest.raises(UsageError, match=r"'papr'.*'paper'"):
        named_recipe("papr")
