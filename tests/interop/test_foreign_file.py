"""Files of other libraries: what training scripts wrap around weights comes off, and what is bad is refused."""

import argparse
import json
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from resunit.errors import FileFormatError
from resunit.interop.foreign_file import read_foreign, select_network

STATE = {"conv1.weight": torch.arange(6.0).reshape(2, 3), "fc.bias": torch.ones(2)}
OTHER = {name: tensor + 1 for name, tensor in STATE.items()}


def prefixed(*prefixes: str, state: dict[str, Tensor] = STATE) -> dict[str, Tensor]:
    return {"".join(prefixes) + name: tensor for name, tensor in state.items()}


WRAPPED: dict[str, Any] = {
    "plain": STATE,
    "parallel": prefixed("module."),
    "compiled": prefixed("_orig_mod."),
    "lightning": {"state_dict": prefixed("model."), "epoch": 3, "hyper_parameters": {"lr": 0.1}},
    "compiled parallel": {"state_dict": prefixed("module.", "_orig_mod."), "best_prec1": 91.2},
    "compiled lightning": {"state_dict": prefixed("model.", "_orig_mod.")},
    "options": {"model": STATE, "args": argparse.Namespace(lr=0.1)},
    "DeepSpeed": {"module": STATE, "dp_world_size": 2},
    "timm's average": {"state_dict": OTHER, "state_dict_ema": STATE},
    "torchvision's average": {
        "model": OTHER,
        "model_ema": {"n_averaged": torch.tensor(4), **prefixed("module.")},
    },
    "averaged model": {"n_averaged": torch.tensor(4), **prefixed("module.")},
}


@pytest.mark.parametrize("name", WRAPPED)
@pytest.mark.parametrize("is_zip", [True, False], ids=["zip", "legacy"])
def test_what_stands_around_a_state_dict(tmp_path: Path, name: str, is_zip: bool) -> None:
    path = tmp_path / "model.pth"
    torch.save(WRAPPED[name], path, _use_new_zipfile_serialization=is_zip)
    found = read_foreign(path)
    assert found.tensors.keys() == STATE.keys()
    assert all(found.tensors[key].equal(tensor) for key, tensor in STATE.items())
    assert found.is_average == name.endswith("'s average")


def test_safetensors_with_a_prefix(tmp_path: Path) -> None:
    save_file(prefixed("module."), tmp_path / "model.safetensors", {"format": "pt"})
    assert read_foreign(tmp_path / "model.safetensors").tensors.keys() == STATE.keys()


@pytest.mark.parametrize("prefix", ["backbone.", "net.", "module.encoder_q."])
def test_a_network_within_a_larger_one(tmp_path: Path, prefix: str) -> None:
    """As Lightning's modules, detectors and contrastive learning store it."""
    path = tmp_path / "model.pth"
    inside = {**STATE, "layer1.0.conv1.weight": torch.ones(3)}
    torch.save({**prefixed(prefix, state=inside), "loss.weight": torch.ones(5)}, path)
    found = select_network(read_foreign(path), "conv1.weight", path)
    assert found.tensors.keys() == inside.keys()
    assert (found.prefix, found.left_out) == (prefix, ("loss.weight",))
    assert select_network(read_foreign(path), "stem.weight", path).tensors.keys() != inside.keys()


def test_two_networks_in_one_file_are_named(tmp_path: Path) -> None:
    path = tmp_path / "model.pth"
    torch.save({**prefixed("module.encoder_q."), **prefixed("module.encoder_k.", state=OTHER)}, path)
    with pytest.raises(FileFormatError, match=rf"{path}: .*encoder_q\., encoder_k\."):
        select_network(read_foreign(path), "conv1.weight", path)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (
            {"student": prefixed("module."), "teacher": STATE, "epoch": 3},
            r"holds 'student', 'teacher'.*\['student'\]",
        ),
        ({"online_network_state_dict": STATE}, r"\['online_network_state_dict'\]"),
        (
            {"optimizer": {"state": {}}, "epoch": 3},
            r"holds 'optimizer', 'epoch'; save the network's state_dict\(\)",
        ),
        (
            {"state": {0: {"step": torch.ones(1)}}, "param_groups": []},
            r"holds 'state', 'param_groups'; save the",
        ),
        ({str(number): STATE for number in range(7)}, "'3' and 3 others"),
    ],
)
def test_a_state_dict_under_another_name_is_named(tmp_path: Path, content: Any, told: str) -> None:
    torch.save(content, tmp_path / "model.pth")
    with pytest.raises(FileFormatError, match=rf"model\.pth: has no state dict under a usual name, .*{told}"):
        read_foreign(tmp_path / "model.pth")


def test_what_a_file_is_decides_and_not_its_name(tmp_path: Path) -> None:
    torch.save(STATE, tmp_path / "pickle.safetensors")
    save_file(STATE, tmp_path / "safetensors.pth")
    for name in ("pickle.safetensors", "safetensors.pth"):
        found = read_foreign(tmp_path / name).tensors
        assert all(found[key].equal(tensor) for key, tensor in STATE.items())


def test_a_program_of_torch_export_is_called_so(tmp_path: Path) -> None:
    path = tmp_path / "model.pt2"
    torch.export.save(torch.export.export(nn.Linear(2, 3), (torch.ones(1, 2),)), path)
    with pytest.raises(FileFormatError, match=rf"{path}: a program of torch.export.*state_dict"):
        read_foreign(path)


def test_a_torchscript_program_is_called_so(tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    torch.jit.save(torch.jit.script(nn.Linear(2, 3)), path)
    with pytest.raises(FileFormatError, match=rf"{path}: a TorchScript program.*state_dict"):
        read_foreign(path)


def test_numpy_archives(tmp_path: Path) -> None:
    arrays: dict[str, Any] = {"conv1_conv/kernel": np.arange(6, dtype=np.float32)}
    np.savez(tmp_path / "model.npz", **arrays)
    assert read_foreign(tmp_path / "model.npz").tensors["conv1_conv/kernel"].tolist() == [0, 1, 2, 3, 4, 5]


class Evil:
    def __reduce__(self) -> tuple:
        return Path.touch, (Path("executed"),)


def whole(content: Any) -> Callable[[Path], None]:
    return lambda path: torch.save(content, path)


def truncated(path: Path) -> None:
    torch.save(STATE, path)
    path.write_bytes(path.read_bytes()[:-300])


def truncated_safetensors(path: Path) -> None:
    save_file(STATE, path)
    path.write_bytes(path.read_bytes()[:-4])


def absurd_header(path: Path) -> None:
    path.write_bytes((2**62).to_bytes(8, "little") + b'{"a": 1}')


def bomb(path: Path) -> None:
    torch.save(STATE, path)
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data/9", bytes(10_000_000))


def numpy_bomb(path: Path) -> None:
    np.savez_compressed(path.with_suffix(".npz"), weight=np.zeros(10**6))
    path.with_suffix(".npz").rename(path)


def numpy_objects(path: Path) -> None:
    np.savez(path.with_suffix(".npz"), weight=np.array([Evil()], dtype=object))
    path.with_suffix(".npz").rename(path)


BAD: dict[str, Callable[[Path], object]] = {
    "missing": lambda _: None,
    "empty": lambda path: path.write_bytes(b""),
    "folder": lambda path: path.mkdir(),
    "text": lambda path: path.write_text("hello"),
    "pickle": lambda path: path.write_bytes(pickle.dumps(Evil())),
    "pickle in a zip": whole({"state_dict": STATE, "optimizer": Evil()}),
    "module": whole(nn.Linear(2, 2)),
    "tensor": whole(torch.ones(2)),
    "nothing": whole({}),
    "numbers": whole({"state_dict": {"conv1.weight": 3}}),
    "truncated": truncated,
    "truncated safetensors": truncated_safetensors,
    "absurd header": absurd_header,
    "bomb": bomb,
    "NumPy bomb": numpy_bomb,
    "NumPy objects": numpy_objects,
    "HDF5": lambda path: path.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100)),
    "JSON": lambda path: path.write_text("{}"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "model.pth"
    BAD[name](path)
    with pytest.raises(FileFormatError, match=r"model\.pth") as refusal:
        read_foreign(path)
    assert "\n" not in str(refusal.value)
    assert not (tmp_path / "executed").exists()


def tensorflow_js(folder: Path, **changes: Any) -> Path:
    weight = {"name": "conv1/kernel", "shape": [2, 3], "dtype": "float32"} | changes
    numbers = np.arange(6, dtype="<f4").tobytes()
    (folder / "shard1").write_bytes(numbers[:10])
    (folder / "shard2").write_bytes(numbers[10:])
    manifest = [{"paths": ["shard1", "shard2"], "weights": [weight]}]
    (folder / "model.json").write_text(json.dumps({"weightsManifest": manifest}))
    return folder / "model.json"


def test_tensorflow_js(tmp_path: Path) -> None:
    found = read_foreign(tensorflow_js(tmp_path)).tensors["conv1/kernel"]
    assert found.tolist() == [[0, 1, 2], [3, 4, 5]]


@pytest.mark.parametrize(
    "changes", [{"shape": [10**9, 10**9]}, {"shape": [-2, 3]}, {"dtype": "uint8"}, {"shape": "x"}], ids=str
)
def test_bad_tensorflow_js(tmp_path: Path, changes: dict) -> None:
    with pytest.raises(FileFormatError, match=r"model\.json"):
        read_foreign(tensorflow_js(tmp_path, **changes))


def test_a_shard_elsewhere(tmp_path: Path) -> None:
    path = tensorflow_js(tmp_path)
    path.write_text(path.read_text().replace("shard1", "../shard1"))
    with pytest.raises(FileFormatError, match="shard1"):
        read_foreign(path)
