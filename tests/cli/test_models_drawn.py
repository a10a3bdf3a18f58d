"""`resunit models --draw`: networks, designs and code of the user's own, and what is refused."""

import json
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image

from resunit.cli import main
from resunit.models.designs import DESIGNS
from tests.cli.command_lines import refused
from tests.models.drawing.pictures import texts

MY_UNITS = """
import torch
from torch import nn
from resunit import ResidualUnit
from resunit.models.designs import Design
from resunit.models.residual_unit import FULL_PREACTIVATION
from resunit.models.shortcuts import Scale


class Tilted(nn.Module):
    def __init__(self, channels, tilt=0.25):
        super().__init__()
        self.register_buffer("line", torch.linspace(-tilt, tilt, channels).reshape(-1, 1, 1))
        self.steepest = self.line.abs().max().item()

    def forward(self, x):
        return x + self.line * x


def damped_branch(parts, damping=0.5):
    return parts.unit(after_branch=Scale(damping))


DAMPED = Design(FULL_PREACTIVATION, damped_branch, of_the_paper=False)


class Net(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Conv2d(3, 8, 3), ResidualUnit(nn.Conv2d(8, 8, 3, padding=1)), nn.Flatten())


def plain():
    return nn.Sequential(nn.Conv2d(3, 8, 3)), torch.zeros(1, 3, 8, 8)


def number():
    return 3
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(tmp_path)
    known = dict(DESIGNS)
    (tmp_path / "drawn_units.py").write_text(MY_UNITS)
    yield tmp_path
    DESIGNS.clear()
    DESIGNS.update(known)
    sys.modules.pop("drawn_units", None)


Drawn = Callable[..., list[str]]


@pytest.fixture
def drawn(capsys: pytest.CaptureFixture[str]) -> Drawn:
    """Return a function that draws with the given arguments and returns the picture's texts."""

    def draw(*arguments: str) -> list[str]:
        assert main(["models", *arguments, "--draw", "unit.svg"]) == 0
        captured = capsys.readouterr()
        assert (captured.out, captured.err) == ("unit.svg\n", "")
        return texts(Path("unit.svg").read_text())

    return draw


def test_a_network_is_drawn_by_name(drawn: Drawn) -> None:
    assert "stage 3: 17 units" in drawn("preresnet164")


def test_a_network_is_drawn_in_a_design_with_an_option(drawn: Drawn) -> None:
    shown = drawn("resnet20", "--design", "constant-scaling", "--shortcut-scale", "0.9")
    assert "× 0.9" in shown


def test_a_design_is_drawn_by_name(drawn: Drawn) -> None:
    assert "dropout 0.5" in drawn("dropout-shortcut")


def test_an_own_shortcut_is_drawn_with_its_option(drawn: Drawn) -> None:
    assert "Tilted" in drawn("drawn_units:Tilted", "--tilt", "0.5")


def test_an_own_design_is_drawn_with_its_option(drawn: Drawn) -> None:
    assert "× 0.25" in drawn("resnet20", "--design", "drawn_units:DAMPED", "--damping", "0.25")
    assert "× 0.125" in drawn("drawn_units:DAMPED", "--damping", "0.125")


def test_an_own_network_that_holds_our_units_is_drawn(drawn: Drawn) -> None:
    shown = drawn("drawn_units:Net")
    assert shown[0] == "stem: conv 3x3, 8"
    assert "stage 1: 1 unit" in shown


def test_no_name_draws_the_designs_of_the_paper(drawn: Drawn) -> None:
    paper = [name for name, design in DESIGNS.items() if design.of_the_paper]
    assert [text for text in drawn() if text in DESIGNS] == paper


def test_json_names_the_picture(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "resnet20", "--draw", "unit.png", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"picture": "unit.png"}
    with Image.open("unit.png") as picture:
        assert picture.width > 420


@pytest.mark.parametrize(
    ("arguments", "code", "named"),
    [
        (("drawn_units:plain", "--draw", "x.svg"), 2, "resunit propagation"),
        (("drawn_units:number", "--draw", "x.svg"), 2, "drawn_units:number"),
        (("drawn_units:absent", "--draw", "x.svg"), 2, "drawn_units:absent"),
        (("drawn_units:Net", "--gate-bias", "1", "--draw", "x.svg"), 2, "drawn_units:Net"),
        (("resnet21", "--draw", "x.svg"), 2, "resnet20"),
        (("resnet20", "--draw", "x.jpg"), 2, "x.jpg"),
        (("resnet20", "--draw", "nowhere/x.svg"), 1, "nowhere/x.svg"),
        (("resnet20", "--design", "plain"), 2, "--draw"),
        (("--design", "plain", "--draw", "x.svg"), 2, "--design"),
        (("plain", "--design", "original", "--draw", "x.svg"), 2, "plain"),
        (("resnet20", "--gate-bias", "1", "--draw", "x.svg"), 2, "gate_bias"),
        (("resnet20", "preresnet20"), 2, "resnet20"),
        (("resnet20", "--drow", "x.svg"), 2, "--draw"),
    ],
)
def test_what_cannot_be_drawn_is_one_line(
    folder: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], code: int, named: str
) -> None:
    assert re.search(re.escape(named), refused(capsys, code, "models", *arguments))
    assert not list(folder.glob("*.svg"))
