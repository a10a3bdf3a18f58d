import shlex
from pathlib import Path

from resunit.reports.command import repeat_command, spell_out_command

RECIPE = {
    "name": "quick",
    "model": "my net",
    "design": "exclusive-gating",
    "model_options": {"gate_bias": -6.0, "inverted_dropout": False, "inner": None},
    "seed": 3,
    "epochs": 2.5,
    "steps": None,
    "ghost_batch_size": None,
    "learning_rate": 0.05,
    "nesterov": True,
    "train_norm_scale": False,
    "milestones": [0.5, 0.75],
    "resize_scales": [],
    "format": 2,
}


def test_the_spelled_out_command_survives_the_shell() -> None:
    assert shlex.split(" ".join(spell_out_command(RECIPE))) == [
        "resunit", "train", "--recipe", "quick", "--model", "my net", "--design", "exclusive-gating",
        "--gate-bias", "-6.0", "--no-inverted-dropout", "--inner", "none", "--seed", "3", "--epochs", "2.5",
        "--ghost-batch-size", "none", "--learning-rate", "0.05", "--nesterov", "--no-train-norm-scale",
        "--milestones", "0.5,0.75", "--resize-scales", "none",
    ]  # fmt: skip


def test_only_the_length_that_was_given_is_repeated() -> None:
    in_steps = spell_out_command({"name": "quick", "epochs": None, "steps": 60})
    assert in_steps == ["resunit train", "--recipe quick", "--steps 60"]


def test_the_command_that_reads_the_recipe_survives_the_shell() -> None:
    command = shlex.split(repeat_command(Path("my runs/1")))
    assert command == ["resunit", "train", "--config", "my runs/1/recipe.json"]
