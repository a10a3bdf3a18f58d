"""`resunit propagation` as users meet it."""

import json
import random
from pathlib import Path

import numpy as np
import pytest
import torch

import resunit
from resunit.cli import main
from resunit.training.recipe import with_changes
from resunit.training.recipes import named_recipe

CODE = """
import random
import numpy as np
import torch
from torch import nn
from torch.nn.functional import cross_entropy
from resunit import ResidualUnit

def network():
    return nn.Sequential(nn.Flatten(), nn.Linear(3072, 8), ResidualUnit(nn.Linear(8, 8)))

def with_targets():
    return network(), torch.randn(4, 3, 32, 32), torch.tensor([0, 1, 2, 3])

def list_of_layers():
    return [nn.Linear(8, 8)]

def plain():
    return nn.Linear(8, 8), torch.randn(2, 8)

class Dropped(nn.Module):
    def forward(self, x):
        kept = nn.functional.dropout(x) * random.randint(1, 9)
        return kept * torch.from_numpy(np.random.rand(8)).float()

def dropped():
    return nn.Sequential(nn.Flatten(), nn.Linear(3072, 8), ResidualUnit(nn.Linear(8, 8), Dropped()))

def of_width(width):
    return nn.Linear(width, width)
"""


def answered(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["propagation", *arguments]) == 0
    return capsys.readouterr().out


def refused(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 2) -> str:
    assert main(["propagation", *arguments]) == code
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    return captured.err


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "mine.py").write_text(CODE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", [*__import__("sys").path])
    return tmp_path


def test_a_network_is_measured_by_name(capsys: pytest.CaptureFixture[str]) -> None:
    out = answered(capsys, "resnet20", "--batch-size", "8")
    assert out.startswith("resnet20, on 8 training images of 32 x 32 of cifar10-sample, weights of seed 0")
    assert "resnet20 has 9 junctions in 3 stages: 7 identity, 2 operations" in out


def test_json_is_one_document(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["resnet20", "--batch-size", "8", "--design", "constant-scaling", "--also", "correlation"]
    record = json.loads(answered(capsys, *arguments, "--json"))
    assert [j["effective_lambda"] for j in record["junctions"][:3]] == pytest.approx([0.5] * 3)
    assert record["junctions"][0]["sample_correlation"] is not None
    assert record["junctions"][0]["loss_change"] is None
    assert record == json.loads(answered(capsys, *arguments, "--json"))


@pytest.mark.parametrize("network", [("resnet20", "--design", "dropout-shortcut"), ("mine:dropped",)])
def test_the_seed_determines_the_masks_of_dropout(
    capsys: pytest.CaptureFixture[str], here: Path, network: tuple[str, ...]
) -> None:
    arguments = [*network, "--batch-size", "8", "--json"]
    first = answered(capsys, *arguments)
    assert (here / "mine.py").exists()
    _ = random.random(), np.random.rand(), torch.rand(1)  # noqa: NPY002
    host = random.getstate(), torch.get_rng_state()
    assert answered(capsys, *arguments) == first
    assert random.getstate() == host[0]
    assert torch.equal(torch.get_rng_state(), host[1])
    gains = [
        json.loads(answer)["junctions"][0]["shortcut_gain"]
        for answer in (first, answered(capsys, *arguments, "--seed", "1"))
    ]
    assert gains[0] != gains[1]


def test_two_networks_are_drawn_in_one_picture(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    picture = tmp_path / "both.png"
    arguments = ["resnet20", "preresnet20", "--batch-size", "4", "--out", str(picture), "--json"]
    assert [record["name"] for record in json.loads(answered(capsys, *arguments))] == [
        "resnet20",
        "preresnet20",
    ]
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_the_network_of_a_run_is_measured(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    settings = {"model": "preresnet20", "data": "cifar10-sample", "image_size": 8, "steps": 1,
                "batch_size": 16}  # fmt: skip
    resunit.train(with_changes(named_recipe("paper"), settings), out=tmp_path / "run", quiet=True)
    assert "9 junctions" in answered(capsys, str(tmp_path / "run"), "--batch-size", "4")
    assert "stored with the weights" in refused(capsys, str(tmp_path / "run"), "--design", "plain")


def test_a_network_made_by_code_is_measured(capsys: pytest.CaptureFixture[str], here: Path) -> None:
    assert "network has 1 junction in 1 stage" in answered(capsys, "mine:network")
    assert "on inputs of mine:with_targets" in answered(capsys, "mine:with_targets")
    assert "mine has no 'netwrok'" in refused(capsys, "mine:netwrok")
    assert "must return a torch.nn.Module" in refused(capsys, "mine:list_of_layers")
    assert "blocked: the network adds no shortcut" in answered(capsys, "mine:plain")
    assert "mine:of_width, which is called without arguments, fails: TypeError" in refused(
        capsys, "mine:of_width"
    )
    (here / "broken.py").write_text("def network(:\n")
    assert "importing broken fails: SyntaxError" in refused(capsys, "broken:network")
    assert "'mine:' is not MODULE:CALLABLE" in refused(capsys, "mine:")
    assert "No module named 'theirs'" in refused(capsys, "theirs:network")
    assert "--design" in refused(capsys, "mine:network", "--design", "plain")
    assert here == Path.cwd()


def test_bad_input_is_refused_in_one_line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert "unknown model 'resnett20'; did you mean 'resnet20'?" in refused(capsys, "resnett20")
    assert "unknown design" in refused(capsys, "resnet20", "--design", "gated")
    assert "--batch-size must be at least 1" in refused(capsys, "resnet20", "--batch-size", "0")
    assert "end it in .png" in refused(
        capsys, "resnet20", "--out", str(tmp_path / "x.gif"), "--batch-size", "4"
    )
    assert "absent/x.png: cannot be written" in refused(
        capsys, "resnet20", "--out", str(tmp_path / "absent" / "x.png"), "--batch-size", "4", code=1
    )
    assert list(tmp_path.iterdir()) == []
