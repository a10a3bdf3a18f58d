"""Weights files that are not ours, are damaged or were edited: one line, and nothing in them is run."""

import math
import pickle
import re
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

import resunit
from resunit.errors import FileFormatError
from resunit.io.tensors import read_tensors, write_tensors
from resunit.models.weights import KIND
from tests.cli.command_lines import refused


class Evil:
    def __reduce__(self) -> tuple:
        return Path.touch, (Path("executed"),)


def test_weights_that_are_not_ours(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    good = (run / "weights.safetensors").read_bytes()
    cases = {
        "missing": None,
        "pickled": pickle.dumps(Evil()),
        "truncated": good[:-100],
        "corrupted": b"\x00" * 8 + good[8:],
        "altered": good[:-50] + bytes([good[-50] ^ 1]) + good[-49:],
        "empty": b"",
    }
    for name, content in cases.items():
        path = tmp_path / f"{name}.safetensors"
        if content is not None:
            path.write_bytes(content)
        assert f"{name}.safetensors" in refused(capsys, 1, "evaluate", str(path))
    save_file({"weight": torch.zeros(2)}, tmp_path / "foreign.safetensors")
    assert "holds no resunit" in refused(capsys, 1, "evaluate", str(tmp_path / "foreign.safetensors"))
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize(
    "changes",
    [
        {"network": {"nonlinearity": "tanh"}},
        {"network": {"branch": "foo"}},
        {"network": {"depths": ["3"]}},
        {"network": {"num_classes": -1}},
        {"network": {"design_options": {"gate": 1}}},
        {"network": {"widths": [16, 32, 65]}},
        {"classes": ["cat"]},
        {"preprocessing": {"image_size": -3}},
        {"preprocessing": {"normalisation": {"kind": "channel", "mean": [1, 2], "std": [1]}}},
        {"result": None},
        {"network": {"depths": [10_000, 10_000, 10_000]}},
        {"network": {"depths": [1] * 50_000, "widths": [1] * 50_000, "strides": [1] * 50_000}},
        {"preprocessing": {"image_size": 30_000}},
        {"preprocessing": {"shorter_side": "32"}},
        {
            "preprocessing": {
                "normalisation": {"kind": "channel", "mean": [[[0.5]]] * 3, "std": [[[0.0]]] * 3}
            }
        },
    ],
    ids=str,
)
def test_weights_whose_record_was_edited(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, run: Path, changes: dict
) -> None:
    record, tensors = read_tensors(run / "weights.safetensors", KIND)
    for key, value in changes.items():
        record[key] = {**record[key], **value} if isinstance(value, dict) else value
    write_tensors(tmp_path / "edited.safetensors", KIND, record, tensors)
    Image.new("RGB", (32, 32)).save(tmp_path / "black.png")
    line = refused(capsys, 1, "predict", str(tmp_path / "edited.safetensors"), str(tmp_path / "black.png"))
    assert "edited.safetensors" in line
    assert "unexpected" not in line


@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize("ending", [".weight", ".running_var"])
def test_weights_that_are_not_finite(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, run: Path, ending: str, value: float
) -> None:
    record, tensors = read_tensors(run / "weights.safetensors", KIND)
    name = next(name for name in tensors if name.endswith(ending))
    tensors[name].flatten()[3] = value
    write_tensors(tmp_path / "nan.safetensors", KIND, record, tensors)
    for command in (
        ["predict", str(tmp_path / "nan.safetensors"), "x.png"],
        ["evaluate", str(tmp_path / "nan.safetensors")],
    ):
        line = refused(capsys, 1, *command, "--json")
        assert "nan.safetensors" in line
        assert name in line
    with pytest.raises(FileFormatError, match=re.escape(name)):
        resunit.create_model(weights=tmp_path / "nan.safetensors")


def test_answers_that_are_not_finite(capsys: pytest.CaptureFixture[str], tmp_path: Path, run: Path) -> None:
    """Finite weights whose products are too large."""
    record, tensors = read_tensors(run / "weights.safetensors", KIND)
    tensors["classifier.weight"].fill_(3e38)
    write_tensors(tmp_path / "large.safetensors", KIND, record, tensors)
    Image.new("RGB", (32, 32), "red").save(tmp_path / "red.png")
    for command in (
        ["predict", str(tmp_path / "large.safetensors"), str(tmp_path / "red.png")],
        ["evaluate", str(tmp_path / "large.safetensors")],
    ):
        assert "large.safetensors" in refused(capsys, 1, *command, "--json")


@pytest.mark.parametrize("levels", [200, 100_000])
def test_a_record_that_is_nested_deep(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, levels: int
) -> None:
    save_file({"weight": torch.zeros(2)}, tmp_path / "deep.safetensors", {KIND: "[" * levels + "]" * levels})
    assert "deep.safetensors" in refused(capsys, 1, "evaluate", str(tmp_path / "deep.safetensors"))
    (tmp_path / "recipe.json").write_text('{"a":' * levels + "1" + "}" * levels)
    assert "recipe.json" in refused(capsys, 1, "train", "--config", str(tmp_path / "recipe.json"))
