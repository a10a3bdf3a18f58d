"""The options made from a recipe's fields and from the options of designs and networks."""

import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cyclopts import App

from resunit.cli import main
from resunit.cli.app import app
from resunit.cli.options import model_options, parse, recipe_options, split_arguments
from resunit.cli.unknown_options import SYNONYMS, option_name, option_names, unknown_options
from resunit.errors import UsageError
from resunit.models.options import OPTIONS
from resunit.training.recipe import FIELDS
from tests.cli.command_lines import refused

SHORT = ["--recipe", "paper", "--data", "cifar10-sample", "--image-size", "8", "--steps", "1",
         "--batch-size", "4"]  # fmt: skip
DESIGN = """
from torch import nn

class Squeeze(nn.Module):
    def __init__(self, channels: int, reduction: int = 4, bias: float = 0.0, hard: bool = False) -> None:
        super().__init__()

    def forward(self, x):
        return x
"""

FACTOR = """
from torch import nn

class Factor(nn.Module):
    def __init__(self, channels: int, factor: float = 0.5) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x):
        return self.factor * x
"""


def given(*arguments: str) -> dict[str, Any]:
    """What a command with all options of a recipe is given."""
    Options = recipe_options()
    none_given = Options()
    command = App()

    @command.default
    def take(*, options: Options = none_given) -> dict[str, Any]:  # pyright: ignore[reportInvalidTypeForm]
        return options.changes()

    return command(arguments, exit_on_error=False, print_error=False, result_action="return_value")


@pytest.mark.parametrize(
    ("arguments", "changes"),
    [
        ([], {}),
        (["--steps", "60", "--learning-rate", ".05"], {"steps": 60, "learning_rate": 0.05}),
        (["--learning-rate=1"], {"learning_rate": 1.0}),
        (["--gate-bias", "-3"], {"gate_bias": -3.0}),
        (["--gate-bias", "-1e-3"], {"gate_bias": -0.001}),
        (["--gate-bias", "none"], {"gate_bias": None}),
        (["--milestones", "0.5,0.75"], {"milestones": (0.5, 0.75)}),
        (["--milestones", "none"], {"milestones": ()}),
        (["--ghost-batch-size", "none"], {"ghost_batch_size": None}),
        (["--nesterov"], {"nesterov": True}),
        (["--no-nesterov"], {"nesterov": False}),
        (["--flip", "none"], {"flip": "none"}),
        (["--design", "none"], {"design": None}),
        (["--shortcut-option", "B"], {"shortcut_option": "B"}),
        (["--precision", "fp32", "--no-tta"], {"precision": "fp32", "tta": False}),
        (
            ["--weights", "runs/x", "--freeze", "stem,stage1", "--head-learning-rate", "0.5"],
            {"weights": "runs/x", "freeze": ("stem", "stage1"), "head_learning_rate": 0.5},
        ),
        (["--weights", "none", "--freeze", "none"], {"weights": None, "freeze": ()}),
    ],
)
def test_options_are_given_as_typed_values(arguments: list[str], changes: dict[str, Any]) -> None:
    assert given(*arguments) == changes


def test_every_field_and_every_option_is_an_option_of_train() -> None:
    expected = {option_name(name) for name in {**FIELDS, **OPTIONS}} - {"--name", "--model-options"}
    named = {"--recipe", "--config", "--out", "--resume", "--json", "--debug", "--help", "--version"}
    assert set(option_names(app["train"])) - named == expected


def test_excluded_fields_are_no_options() -> None:
    names = vars(recipe_options(exclude=("seed", *OPTIONS)))["__dataclass_fields__"]
    assert set(names) == set(FIELDS) - {"name", "model_options", "seed"}
    assert set(vars(model_options())["__dataclass_fields__"]) == set(OPTIONS)


@pytest.mark.parametrize("text", ["", "fast", "nan", "inf", "1e999", "0"])
def test_a_text_that_is_no_value_names_the_option(text: str) -> None:
    with pytest.raises(UsageError, match="--learning-rate"):
        parse("learning_rate", text, FIELDS["learning_rate"])


def test_options_of_other_tools_mean_options_here() -> None:
    assert set(SYNONYMS.values()) <= set(option_names(app["train"]))
    assert not set(SYNONYMS) & set(option_names(app["train"]))


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("--lr", "--learning-rate"), ("-lr", "--learning-rate"), ("--LR", "--learning-rate"), ("-b", "--batch-size"),
        ("--batch", "--batch-size"), ("--n_epochs", "--epochs"), ("--num-epochs", "--epochs"),
        ("--max_steps", "--steps"),
        ("--output_dir", "--out"), ("--network", "--model"), ("--gpu", "--device"), ("--batchsize", "--batch-size"),
        ("--resume_from", "--resume"), ("--torchcompile", "--compile"), ("--nestrov", "--nesterov"),
        ("--pretrained", "--weights"),
    ],
)  # fmt: skip
def test_an_unknown_option_is_answered_with_the_one_that_is_meant(typed: str, meant: str) -> None:
    message = str(unknown_options([typed], option_names(app["train"]), "train"))
    assert typed in message
    assert message.endswith(f"{meant}?")


@pytest.mark.parametrize(
    ("typed", "reason"), [("--workers", "processes"), ("-j", "processes"), ("--num_classes", "data set")]
)
def test_an_option_that_is_not_needed_is_to_be_left_out(typed: str, reason: str) -> None:
    message = str(unknown_options([typed], option_names(app["train"]), "train"))
    assert f"unknown option {typed}; leave it out" in message
    assert reason in message


def test_a_file_whose_name_begins_like_an_option_gets_a_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("-x.png").touch()
    assert "./-x.png" in str(unknown_options(["-x.png"], [], "predict"))
    assert "standard input" in str(unknown_options(["-"], [], "predict"))


@pytest.mark.parametrize("typed", ["--hyperband", "--set", "-x"])
def test_an_option_that_is_like_no_other_gets_no_guess(typed: str) -> None:
    message = str(unknown_options([typed], option_names(app["train"]), "train"))
    assert "resunit train --help" in message
    assert message.count("--") == 1 + typed.count("--")


def test_all_unknown_options_are_answered_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    line = refused(capsys, 2, "train", "--epochs", "3", "--lr", "0.05", "--batch", "64")
    assert all(word in line for word in ("--lr", "--learning-rate", "--batch:", "--batch-size"))
    assert "--epochs" not in line


def test_help_groups_the_options_and_says_bounds_and_choices(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "--help"]) == 0
    text = " ".join(capsys.readouterr().out.replace("│", " ").split())
    for heading in ("Length", "Network", "Data", "Augmentation", "Optimizer", "Evaluation", "Machine"):
        assert f"─ {heading} ─" in text
    assert "at least 0 and below 1" in text
    assert "one of sgd, muon" in text
    assert "`" + "evaluate_steps" not in text


def test_config_repeats_a_run_and_options_beside_it_win(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    first = ["train", *SHORT, "--model", "resnet20", "--design", "exclusive-gating", "--gate-bias", "-3"]
    assert main([*first, "--out", str(tmp_path / "first"), "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["out"] == str(tmp_path / "first")
    config = ["train", "--config", str(tmp_path / "first" / "recipe.json")]
    assert main([*config, "--out", str(tmp_path / "again"), "--json"]) == 0
    assert main([*config, "--seed", "1", "--epochs", "0.01", "--out", str(tmp_path / "other"), "--json"]) == 0
    first_weights, again, other = (
        (tmp_path / run / "weights.safetensors").read_bytes() for run in ("first", "again", "other")
    )
    assert first_weights == again != other
    recipe = json.loads((tmp_path / "other" / "recipe.json").read_text())
    assert (recipe["seed"], recipe["steps"], recipe["model_options"]) == (1, None, {"gate_bias": -3.0})


def test_a_design_of_ones_own_takes_its_options(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "units_for_options.py").write_text(DESIGN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    command = ["train", *SHORT, "--model", "resnet20", "--design", "units_for_options:Squeeze"]
    assert main([*command, "--reduction", "8", "--bias=-0.5", "--hard", "--out", "run"]) == 0
    recipe = json.loads((tmp_path / "run" / "recipe.json").read_text())
    assert recipe["model_options"] == {"reduction": 8, "bias": -0.5, "hard": True}
    capsys.readouterr()
    assert "--reduction" in refused(capsys, 2, *command, "--reductoin", "8")
    assert "--reduction" in refused(capsys, 2, *command, "--reduction", "half")
    assert "'8'" in refused(capsys, 2, *command, "8")


@pytest.mark.parametrize(
    ("arguments", "words", "options"),
    [
        ("a b", ["a", "b"], {}),
        ("--bias 0.5 --hard --no-soft", [], {"--bias": "0.5", "--hard": None, "--no-soft": None}),
        ("a --bias -0.5 b --x=-3", ["a", "b"], {"--bias": "-0.5", "--x": "-3"}),
    ],
)
def test_arguments_that_are_left_are_words_and_options(
    arguments: str, words: list[str], options: dict[str, str | None]
) -> None:
    assert split_arguments(arguments.split()) == (words, options)


def test_propagation_offers_every_option_that_train_has_for_designs_and_networks() -> None:
    offered = set(option_names(app["propagation"]))
    assert {option_name(name) for name in OPTIONS} <= offered & set(option_names(app["train"]))


@pytest.mark.parametrize(
    ("network", "options", "attribute", "expected"),
    [
        (
            "resnet20",
            "--design constant-scaling --shortcut-scale 0.9 --branch-scale 0.1",
            "effective_lambda",
            0.9,
        ),
        # Exclusive gates multiply x by 1 - sigmoid(bias) before they have learned anything from it.
        (
            "resnet20",
            "--design exclusive-gating --gate-bias -3",
            "effective_lambda",
            1 - 1 / (1 + math.exp(3)),
        ),
        (
            "resnet20",
            "--design dropout-shortcut --drop-probability 0.3 --no-inverted-dropout",
            "effective_lambda",
            0.7,
        ),
        ("resnet20", "--design layer-scale --initial-scale 0", "branch_share", 0.0),
    ],
)
def test_the_options_of_designs_change_what_propagation_measures(
    capsys: pytest.CaptureFixture[str], network: str, options: str, attribute: str, expected: float
) -> None:
    assert main(["propagation", network, *options.split(), "--batch-size", "4", "--json"]) == 0
    first = json.loads(capsys.readouterr().out)["junctions"][0]
    assert first[attribute] == pytest.approx(expected, rel=0.05, abs=1e-6)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ("--shortcut-scale half", "--shortcut-scale"),
        ("--drop-probability 1", "--drop-probability"),
        ("--shortcut-option E", "--shortcut-option"),
        ("--gate-biass -3", "--gate-bias"),
    ],
)
def test_propagation_and_train_refuse_an_option_alike(
    capsys: pytest.CaptureFixture[str], options: str, named: str
) -> None:
    for command in (["propagation", "resnet20"], ["train", *SHORT, "--model", "resnet20"]):
        assert named in refused(capsys, 2, *command, "--design", "dropout-shortcut", *options.split())


def test_propagation_takes_the_options_of_a_design_of_ones_own(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "units_for_signals.py").write_text(FACTOR)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    command = ["propagation", "resnet20", "--design", "units_for_signals:Factor", "--batch-size", "4"]
    for options, expected in ((["--factor", "0.9"], 0.9), ([], 0.5)):
        assert main([*command, *options, "--json"]) == 0
        first = json.loads(capsys.readouterr().out)["junctions"][0]
        assert first["effective_lambda"] == pytest.approx(expected, rel=1e-5)
    assert "--factor" in refused(capsys, 2, *command, "--factor", "half")


def test_propagation_takes_the_options_of_designs(capsys: pytest.CaptureFixture[str]) -> None:
    command = ["propagation", "resnet20", "--design", "constant-scaling", "--batch-size", "4"]
    assert main([*command, "--shortcut-scale", "0.9", "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert "0.9" in json.dumps(record["findings"])
    assert "gate_bias" in refused(capsys, 2, *command, "--gate-bias", "-3")


def test_options_are_parsed_alike_where_pydantic_is_imported() -> None:
    """Tools that people import, such as wandb and Ray, bring pydantic, which cyclopts then also asks."""
    commands = ["propagation preresnet20 --batch-size 4 --json", "train --model absent"]
    code = "import pydantic, sys; from resunit.cli import main; print([main(one.split()) for one in sys.argv[1:]])"
    done = subprocess.run(
        [sys.executable, "-c", code, *commands], capture_output=True, text=True, check=False
    )
    assert "validation error" not in done.stderr
    assert done.stdout.endswith("[0, 2]\n"), done.stderr
