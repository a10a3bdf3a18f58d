"""What stands in the pictures of units: Figs. 2, 4 and 5, and units that are not the paper's."""

from pathlib import Path
from xml.etree import ElementTree

import pytest
import torch
from torch import nn

import resunit
from resunit.errors import UsageError, WriteError
from resunit.models.designs import DESIGNS
from resunit.models.drawing import draw_designs, render_unit
from resunit.models.drawing.draw import draw_each_design
from resunit.models.network import ResidualNetwork
from resunit.models.registry import create_model
from resunit.ops.activation_checkpointing import Stage
from tests.models.drawing.pictures import SVG, read_unit, texts

ROOT = Path(__file__).parents[3]
CONV, GATE = "conv 3x3, 16", "conv 1x1, 16"

# The shortcut, the gate, the branch and f of each design: Fig. 2 (a) to (f), Fig. 4 (a) to (e), and later papers.
PARTS: dict[str, tuple[list[str], list[str], list[str], list[str]]] = {
    "original": ([], [], [CONV, "BN", "ReLU", CONV, "BN"], ["ReLU"]),
    "plain": (["× 0"], [], [CONV, "BN", "ReLU", CONV, "BN"], ["ReLU"]),
    "constant-scaling": (["× 0.5"], [], [CONV, "BN", "ReLU", CONV, "BN"], ["ReLU"]),
    "exclusive-gating": ([], [GATE, "sigmoid", "1 − g"], [CONV, "BN", "ReLU", CONV, "BN"], ["ReLU"]),
    "shortcut-only-gating": ([], [GATE, "sigmoid", "1 − g"], [CONV, "BN", "ReLU", CONV, "BN"], ["ReLU"]),
    "conv-shortcut": ([GATE, "BN"], [], [CONV, "BN", "ReLU", CONV, "BN"], ["ReLU"]),
    "dropout-shortcut": (["dropout 0.5"], [], [CONV, "BN", "ReLU", CONV, "BN"], ["ReLU"]),
    "bn-after-addition": ([], [], [CONV, "BN", "ReLU", CONV], ["BN", "ReLU"]),
    "relu-before-addition": ([], [], [CONV, "BN", "ReLU", CONV, "BN", "ReLU"], []),
    "relu-only-preactivation": ([], [], ["ReLU", CONV, "BN", "ReLU", CONV, "BN"], []),
    "full-preactivation": ([], [], ["BN", "ReLU", CONV, "BN", "ReLU", CONV], []),
    "rezero": ([], [], ["BN", "ReLU", CONV, "BN", "ReLU", CONV, "× a, learned"], []),
    "skipinit": ([], [], ["ReLU", CONV, "ReLU", CONV, "× a, learned"], []),
    "layer-scale": ([], [], ["BN", "ReLU", CONV, "BN", "ReLU", CONV, "× a, by channel"], []),
    "stochastic-depth": ([], [], [CONV, "BN", "ReLU", CONV, "BN", "kept with p 0.889"], ["ReLU"]),
}


def network(name: str = "resnet20", **how: object) -> ResidualNetwork:
    with torch.device("meta"):
        return create_model(name, **how)  # pyright: ignore[reportArgumentType]


def second_unit(model: ResidualNetwork) -> nn.Module:
    return model.get_submodule("stages.0.1")


def test_each_design_has_its_parts_here() -> None:
    assert PARTS.keys() == {name for name in DESIGNS if ":" not in name}


@pytest.mark.parametrize("design", PARTS)
def test_the_layers_of_each_path_stand_in_their_order(design: str) -> None:
    shortcut, gate, branch, after_addition = PARTS[design]
    read = read_unit(render_unit(second_unit(network(design=design))))
    assert read.columns == [column for column in (shortcut, gate, branch + after_addition) if column]
    assert (read.branch, read.after_addition) == (branch, after_addition)


@pytest.mark.parametrize(
    ("design", "products"), [("exclusive-gating", 2), ("shortcut-only-gating", 1), ("original", 0)]
)
def test_a_gate_multiplies_the_paths_that_it_acts_on(design: str, products: int) -> None:
    svg = render_unit(second_unit(network(design=design)))
    assert texts(svg).count("×") == products
    assert texts(svg).count("+") == 1
    assert ("g" in texts(svg)) is (design == "exclusive-gating"), "only exclusive gating opens the branch"


def test_a_unit_that_changes_size_activates_before_the_split() -> None:
    unit = network("preresnet164").get_submodule("stages.1.0")
    read = read_unit(render_unit(unit))
    assert read.branch == [
        "BN", "ReLU", "conv 1x1, 32, /2", "BN", "ReLU", "conv 3x3, 32", "BN", "ReLU", "conv 1x1, 128",
    ]  # fmt: skip
    assert read.columns[0] == ["conv 1x1, 128, /2"]
    root = ElementTree.fromstring(render_unit(unit))
    split = next(e for e in root.iter(f"{SVG}text") if e.text == "F")
    boxes = sorted(float(box.get("y", 0)) for box in root.iter(f"{SVG}rect") if box.get("class") != "paper")
    assert boxes[1] < float(split.get("y", 0)) < boxes[2], "norm and ReLU are above the split"


def test_a_replaced_activation_shows() -> None:
    unit = second_unit(network())
    unit.get_submodule("branch").relu1 = nn.SiLU()
    unit.after_addition = nn.Hardtanh()
    read = read_unit(render_unit(unit))
    assert read.branch[2] == "SiLU"
    assert read.after_addition == ["Hardtanh"]


def test_a_network_has_its_distinct_units_by_stage_and_its_ends(tmp_path: Path) -> None:
    shown = texts(resunit.draw(network("resnet110"), tmp_path / "units.svg").read_text())
    assert [text for text in shown if text.startswith("stage")] == [
        "stage 1: 18 units", "stage 2: 1 unit", "stage 2: 17 units", "stage 3: 1 unit", "stage 3: 17 units",
    ]  # fmt: skip
    assert shown[0] == "stem: conv 3x3, 16 · BN · ReLU"
    assert shown[-1] == "head: mean over H and W · linear, 10"
    assert [t for t in shown if "16 zeros" in t or "sub" in t][:2] == ["subsample, /2", "pad 16 zeros"]


def test_one_replaced_unit_is_drawn_apart(tmp_path: Path) -> None:
    model = network()
    second_unit(model).get_submodule("branch").relu1 = nn.SiLU()
    shown = texts(resunit.draw(nn.Sequential(model), tmp_path / "units.svg").read_text())
    assert shown.count("SiLU") == 1
    assert {"stage 1: 2 units", "stage 1: 1 unit"} <= set(shown)


def test_shares_that_fall_with_depth_do_not_tell_units_apart(tmp_path: Path) -> None:
    model = network("resnet20", design="stochastic-depth", final_survival=0.1)
    shown = texts(resunit.draw(model, tmp_path / "units.svg").read_text())
    assert "kept with p 0.9 to 0.7" in shown  # 1 - (l / 9) 0.9 for the units l = 1 to 3
    assert "stage 1: 3 units" in shown


class Squeeze(nn.Module):
    def __init__(self, channels: int):
        super().__init__()
        self.excite = nn.Linear(channels // 4, channels)
        self.squeeze = nn.Linear(channels, channels // 4)
        self.calls = 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        scale = torch.sigmoid(self.excite(torch.relu(self.squeeze(x.mean(dim=(2, 3))))) + torch.rand(()))
        return scale[:, :, None, None] * x


class Refusing(Squeeze):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x) if x.sum() > 0 else x


def test_somebody_elses_module_is_one_box_with_its_steps() -> None:
    shortcut = Squeeze(16)
    unit = resunit.ResidualUnit(nn.Conv2d(16, 16, 3, padding=1), shortcut)
    state = torch.random.get_rng_state()
    read = read_unit(render_unit(unit))
    assert [text for text in read.columns[0] if text not in ("rand", "+")] == [
        "Squeeze", "mean", "linear, 4", "relu", "linear, 16", "sigmoid",
    ]  # fmt: skip
    assert shortcut.calls == 0, "the module is left as it was"
    assert torch.equal(torch.random.get_rng_state(), state)


def test_a_forward_that_depends_on_values_shows_the_layers_that_it_holds() -> None:
    read = read_unit(render_unit(resunit.ResidualUnit(nn.Conv2d(16, 16, 3), Refusing(16))))
    assert read.columns[0] == ["Refusing", "linear, 16", "linear, 4"]


class Parallel(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.wide, self.narrow = nn.Conv2d(16, 16, 3, padding=1), nn.Conv2d(16, 16, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.wide(x) + self.narrow(x)


class Halved(resunit.ResidualUnit):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return 0.5 * self.shortcut(x) + self.branch(x)


def test_a_unit_of_somebody_elses_class_says_so(tmp_path: Path) -> None:
    stage = Stage(Parallel(), Halved(nn.Conv2d(16, 16, 3, padding=1)))
    shown = texts(resunit.draw(nn.Sequential(stage), tmp_path / "units.svg").read_text())
    assert [t for t in shown if t == "Parallel" or "conv" in t][:3] == [
        "Parallel",
        "conv 3x3, 16",
        "conv 1x1, 16",
    ]
    assert any("Halved.forward" in text for text in shown)


def test_texts_are_escaped() -> None:
    class Hostile(nn.Module):
        pass

    Hostile.__name__ = "<script>alert(1)</script>\x07&"
    svg = render_unit(resunit.ResidualUnit(nn.Conv2d(3, 3, 1), Hostile()))
    assert "<script>" not in svg
    assert read_unit(svg).columns[0] == ["<script>alert(1)</script>?&"]


@pytest.mark.parametrize("suffix", ["svg", "png", "pdf"])
def test_equal_units_give_equal_bytes_at_any_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    unit = resunit.ResidualUnit(nn.Conv2d(8, 8, 3, padding=1))
    drawn = []
    for seconds in ("0", "86400"):
        monkeypatch.setenv("SOURCE_DATE_EPOCH", seconds)  # matplotlib takes it for the time.
        drawn.append(resunit.draw(unit, tmp_path / f"{seconds}.{suffix}").read_bytes())
    assert drawn[0] == drawn[1]


@pytest.mark.parametrize(("suffix", "beginning"), [("png", b"\x89PNG"), ("pdf", b"%PDF"), ("SVG", b"<svg")])
def test_each_kind_of_picture(tmp_path: Path, suffix: str, beginning: bytes) -> None:
    path = tmp_path / f"unit.{suffix}"
    assert resunit.draw(second_unit(network(design="exclusive-gating")), str(path)) == path
    assert path.read_bytes().startswith(beginning)
    assert list(tmp_path.iterdir()) == [path]


def test_the_designs_in_the_documentation_are_those_of_today(tmp_path: Path) -> None:
    assert draw_designs(tmp_path / "units.svg").read_text() == (ROOT / "docs" / "units.svg").read_text()
    titles = [t for t in texts((ROOT / "docs" / "units.svg").read_text()) if t in DESIGNS]
    assert titles == list(draw_each_design()) == [name for name, d in DESIGNS.items() if d.of_the_paper]
    assert len(titles) == 11


def test_a_network_of_others_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="resunit propagation"):
        resunit.draw(nn.Sequential(nn.Conv2d(3, 3, 1)), tmp_path / "unit.svg")
    assert not list(tmp_path.iterdir())


def test_another_ending_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"unit\.jpg.*\.svg"):
        resunit.draw(second_unit(network()), tmp_path / "unit.jpg")


def test_a_path_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(WriteError, match=r"nowhere/unit\.svg"):
        resunit.draw(second_unit(network()), tmp_path / "nowhere" / "unit.svg")
