"""Weights files that are not ours, are damaged or were edited: one line, and nothing in them is run."""

import pickle
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

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
