"""A run that was trained with a design of the user's own, used from the command line like any other."""

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from resunit.cli import main
from resunit.models.designs import DESIGNS
from resunit.models.weights import read_design
from tests.cli.command_lines import refused

DESIGN = "units_of_ones_own:Halved"
CODE = """
from torch import nn

class Halved(nn.Module):
    def __init__(self, channels: int, factor: float = 0.5):
        super().__init__()
        self.factor = factor

    def forward(self, x):
        return self.factor * x
"""
SHORT = ["--recipe", "paper", "--model", "resnet20", "--data", "cifar10-sample", "--image-size", "8",
         "--batch-size", "4"]  # fmt: skip


def forget() -> None:
    """Make this process one that has never imported the design."""
    DESIGNS.pop(DESIGN, None)
    sys.modules.pop(DESIGN.partition(":")[0], None)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder with the user's file and a finished run of two steps."""
    folder, before = tmp_path_factory.mktemp("project"), Path.cwd()
    (folder / "units_of_ones_own.py").write_text(CODE)
    os.chdir(folder)
    try:
        assert (
            main(
                [
                    "train",
                    *SHORT,
                    "--steps",
                    "2",
                    "--design",
                    DESIGN,
                    "--factor",
                    "0.25",
                    "--out",
                    "run",
                    "--json",
                ]
            )
            == 0
        )
    finally:
        os.chdir(before)
    forget()
    yield folder
    forget()


@pytest.fixture(autouse=True)
def new_process(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    forget()
    monkeypatch.chdir(trained)


def test_the_weights_record_the_file_of_the_code(trained: Path) -> None:
    recorded = read_design(trained / "run" / "weights.safetensors")
    assert recorded.name == DESIGN
    assert recorded.source is not None
    assert recorded.source.file == "units_of_ones_own.py"
    assert DESIGN not in DESIGNS  # Reading the record imports nothing.


@pytest.mark.parametrize("source", ["run", "run/weights.safetensors"])
def test_it_is_evaluated_and_predicted(
    capsys: pytest.CaptureFixture[str], trained: Path, source: str
) -> None:
    capsys.readouterr()
    result = json.loads((trained / "run" / "result.json").read_text())
    assert main(["evaluate", source, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["error"] == result["test_error"]
    forget()
    Image.new("RGB", (32, 32), "red").save("red.png")
    assert main(["predict", source, "red.png", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["image"] == "red.png"


def test_it_is_dissected_and_reported(capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert main(["propagation", "run", "--batch-size", "4", "--json"]) == 0
    assert "0.25" in capsys.readouterr().out
    forget()
    assert main(["report", "run"]) == 0
    assert DESIGN in Path("run/report.html").read_text()


@pytest.mark.full
def test_it_is_repeated_and_resumed() -> None:
    assert main(["train", "--config", "run/recipe.json", "--out", "again", "--json"]) == 0
    weights = [Path(run, "weights.safetensors").read_bytes() for run in ("run", "again")]
    assert weights[0] == weights[1]
    for name in ("result.json", "weights.safetensors"):  # As if it had been killed after its last checkpoint.
        Path("again", name).unlink()
    forget()
    assert main(["train", "--resume", "again", "--json"]) == 0
    assert Path("again/weights.safetensors").read_bytes() == weights[0]


@pytest.mark.parametrize(
    ("command", "file"),
    [
        (["evaluate", "run"], "weights.safetensors"),
        (["predict", "run", "red.png"], "weights.safetensors"),
        (["propagation", "run"], "weights.safetensors"),
        (["train", "--resume", "unfinished"], "recipe.json"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_elsewhere_the_module_and_what_to_do_are_named(
    capsys: pytest.CaptureFixture[str],
    trained: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    command: list[str],
    file: str,
) -> None:
    (tmp_path / "run").symlink_to(trained / "run")
    (tmp_path / "unfinished").mkdir()
    (tmp_path / "unfinished" / "recipe.json").write_bytes((trained / "run" / "recipe.json").read_bytes())
    monkeypatch.chdir(tmp_path)
    capsys.readouterr()
    line = refused(capsys, 1, *command)
    assert all(word in line for word in (file, "units_of_ones_own", "PYTHONPATH"))


@pytest.mark.filterwarnings("always::resunit.cli.own_design.ChangedDesign")
def test_code_that_has_changed_since_is_told(capsys: pytest.CaptureFixture[str], trained: Path) -> None:
    file = trained / "units_of_ones_own.py"
    file.write_text(CODE + "\n# changed\n")
    try:
        assert main(["evaluate", "run", "--json"]) == 0
        assert "units_of_ones_own.py" in capsys.readouterr().err
    finally:
        file.write_text(CODE)
