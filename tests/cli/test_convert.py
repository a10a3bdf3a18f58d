"""`resunit convert`: other libraries' files in, a weights file out or one line."""

import json
import pickle
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

import resunit
from resunit.cli import main
from resunit.interop.akamaster import AKAMASTER
from resunit.interop.mapping import from_ours
from resunit.models.network import build
from tests.cli.command_lines import refused
from tests.interop.parity import draw

FROM = ("--from", "akamaster", "--architecture", "resnet20")
State = dict[str, Tensor]


@pytest.fixture(scope="module")
def state() -> State:
    """The state dict of akamaster's resnet20 with random weights and norms."""
    architecture = AKAMASTER.architectures["resnet20"]
    torch.manual_seed(0)
    network = build(architecture.spec)
    draw(network)
    return from_ours(network, architecture.spec, AKAMASTER, architecture)


def test_a_converted_file_is_a_weights_file(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, state: State
) -> None:
    source, out = tmp_path / "best.th", tmp_path / "weights.safetensors"
    parallel = {f"module.{name}": tensor for name, tensor in state.items()}
    torch.save({"state_dict": parallel, "best_prec1": 91.7}, source)
    assert main(["convert", str(source), *FROM, "--out", str(out), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["weights"] == str(out)
    assert told["parameters"] == 269_722  # of the paper's 20-layer network with option A, and batch norm
    assert told["notes"]
    network = resunit.create_model(weights=out)
    assert network(torch.zeros(2, 3, 32, 32)).shape == (2, 10)
    assert (
        main(["evaluate", str(out), "--data", "cifar10-sample", "--json"]) == 0
    )  # The classes have CIFAR-10's names.
    assert 0 <= json.loads(capsys.readouterr().out)["error"] <= 100


def test_a_network_within_a_larger_one_is_taken_and_the_rest_is_named(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, state: State
) -> None:
    source = tmp_path / "epoch=3.ckpt"
    inside = {f"encoder.{name}": tensor for name, tensor in state.items()}
    torch.save({"state_dict": {**inside, "loss.weight": torch.ones(10)}}, source)
    given = {}
    for name in ("inside", "plain"):
        out = tmp_path / f"{name}.safetensors"
        if name == "plain":
            torch.save(state, source)
        assert main(["convert", str(source), *FROM, "--out", str(out)]) == 0
        told = capsys.readouterr().out
        assert ("encoder." in told and "loss.weight" in told) == (name == "inside")
        given[name] = resunit.create_model(weights=out).state_dict()
    assert all(given["inside"][key].equal(tensor) for key, tensor in given["plain"].items())


def test_weights_that_were_not_converted(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, state: State
) -> None:
    save_file(state, tmp_path / "foreign.safetensors")
    torch.save(state, tmp_path / "foreign.pth")
    for name in ("foreign.safetensors", "foreign.pth"):
        line = refused(capsys, 1, "evaluate", str(tmp_path / name))
        assert f"resunit convert {tmp_path / name} --from" in line


def without(name: str) -> Callable[[State], State]:
    return lambda state: {key: tensor for key, tensor in state.items() if key != name}


def changed(name: str, tensor: Tensor) -> Callable[[State], State]:
    return lambda state: {**state, name: tensor}


def more(*names: str) -> Callable[[State], State]:
    return lambda state: state | {name: torch.ones(2) for name in names}


@pytest.mark.parametrize(
    ("change", "remedy"),
    [
        (more("gate.weight"), "gate.weight, which .*; leave the tensors of gate out"),
        (more("gate.weight", "aux.bias"), "aux.bias and 1 other, .*; leave the tensors of aux and gate out"),
        (more(*(f"aux{number}.bias" for number in range(5))), "leave the tensors of 5 such parts out"),
        (more("layer3.9.gate.weight", "aux.bias"), "name the file's own architecture"),
        (without("linear.bias"), "no linear.bias, .*; leave all tensors of linear out"),
    ],
)
def test_the_remedy_for_tensors_too_many_or_too_few(
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    state: State,
    change: Callable[[State], State],
    remedy: str,
) -> None:
    torch.save(change(state), tmp_path / "model.pth")
    line = refused(
        capsys, 1, "convert", str(tmp_path / "model.pth"), *FROM, "--out", str(tmp_path / "w.safetensors")
    )
    assert re.search(remedy, line)


def test_a_file_of_resunit_needs_no_conversion(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, state: State
) -> None:
    torch.save(state, tmp_path / "model.pth")
    own = tmp_path / "own.safetensors"
    assert main(["convert", str(tmp_path / "model.pth"), *FROM, "--out", str(own)]) == 0
    capsys.readouterr()
    line = refused(capsys, 2, "convert", str(own), *FROM, "--out", str(tmp_path / "again.safetensors"))
    assert f"{own}: is a weights file of resunit" in line


BAD_STATES: dict[str, tuple[Callable[[State], State], str]] = {
    "missing": (without("layer2.0.bn1.weight"), "layer2.0.bn1.weight"),
    "no classifier": (without("linear.weight"), "linear.weight"),
    "extra": (changed("gate.weight", torch.ones(2)), "gate.weight"),
    "shape": (changed("layer3.0.conv1.weight", torch.ones(64, 32, 1, 1)), "layer3.0.conv1.weight"),
    "huge": (changed("layer3.0.conv1.weight", torch.ones(1).expand(10**9, 10**9)), "layer3.0.conv1.weight"),
    "classes": (changed("linear.weight", torch.ones(1).expand(10**12, 64)), "linear.weight"),
    "numbers": (changed("bn1.bias", torch.ones(16, dtype=torch.int64)), "bn1.bias"),
    "NaN": (changed("bn1.bias", torch.full((16,), float("nan"))), "bn1.bias"),
    "negative": (changed("bn1.running_var", torch.full((16,), -1.0)), "bn1.running_var"),
    "sparse": (changed("bn1.bias", torch.ones(16).to_sparse()), "bn1.bias"),
}


@pytest.mark.parametrize("kind", BAD_STATES)
def test_bad_tensors(capsys: pytest.CaptureFixture[str], tmp_path: Path, state: State, kind: str) -> None:
    change, named = BAD_STATES[kind]
    source, out = tmp_path / "model.pth", tmp_path / "weights.safetensors"
    torch.save(change(state), source)
    line = refused(capsys, 1, "convert", str(source), *FROM, "--out", str(out))
    assert str(source) in line
    assert named in line
    assert not list(tmp_path.glob("*.safetensors*"))


def test_another_architecture_is_named(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, state: State
) -> None:
    source = tmp_path / "model.safetensors"
    save_file(state, source)
    for library, name in (("akamaster", "resnet56"), ("timm", "resnet18")):
        line = refused(
            capsys, 1, "convert", str(source), "--from", library, "--architecture", name,
            "--out", str(tmp_path / "weights.safetensors"),
        )  # fmt: skip
        assert "--from akamaster --architecture resnet20" in line


class Evil:
    def __reduce__(self) -> tuple:
        return Path.touch, (Path("executed"),)


def test_nothing_is_executed_and_an_older_file_stays(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    source, out = tmp_path / "model.pth", tmp_path / "weights.safetensors"
    source.write_bytes(pickle.dumps({"state_dict": Evil()}))
    out.write_bytes(b"older")
    assert str(source) in refused(capsys, 1, "convert", str(source), *FROM, "--out", str(out))
    assert not (tmp_path / "executed").exists()
    assert out.read_bytes() == b"older"


@pytest.mark.parametrize(
    ("library", "architecture"),
    [
        ("timm", "resnext50_32x4d"),
        ("timm", "seresnet50"),
        ("timm", "resnetblur50"),
        ("timm", "resnet50_gn"),
        ("timm", "resnetv2_50x1_bit.goog_in21k"),
        ("torchvision", "resnext101_64x4d"),
        ("pytorchcv", "resnet18_wd4"),
        ("pytorchcv", "seresnet50"),
        ("keras", "ResNet50V2"),
        ("kuangliu", "PreActResNet18"),
    ],
)
def test_what_cannot_be_expressed(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, library: str, architecture: str
) -> None:
    line = refused(
        capsys, 2, "convert", str(tmp_path / "x.pth"), "--from", library, "--architecture", architecture,
        "--out", str(tmp_path / "weights.safetensors"),
    )  # fmt: skip
    assert architecture in line
    assert "cannot be expressed" in line


@pytest.mark.parametrize(
    "options",
    [
        ("--from", "caffe", "--architecture", "resnet50"),
        ("--from", "timm", "--architecture", "resnet51"),
    ],
)
def test_unknown_names(capsys: pytest.CaptureFixture[str], tmp_path: Path, options: tuple[str, ...]) -> None:
    out = str(tmp_path / "weights.safetensors")
    assert options[1 if options[1] == "caffe" else 3] in refused(
        capsys, 2, "convert", "x.pth", *options, "--out", out
    )


@pytest.mark.parametrize("out", ["weights.pth", "missing/weights.safetensors", "model.safetensors"])
def test_places_that_cannot_be_written(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, state: State, out: str
) -> None:
    source = tmp_path / "model.safetensors"
    save_file(state, source)
    before = source.read_bytes()
    refused(capsys, 2, "convert", str(source), *FROM, "--out", str(tmp_path / out))
    assert source.read_bytes() == before


def test_names_are_taken_as_people_write_them() -> None:
    from resunit.interop.registry import find_architecture, find_library

    pairs = {
        ("timm", "resnet50.a1_in1k"): "resnet50",
        ("transformers", "microsoft/resnet-50"): "resnet-50",
        ("transformers", "resnet50"): "resnet-50",
        ("torch-resnet", "preactresnet20"): "PreActResNet20",
        ("keras", "resnet50"): "ResNet50",
    }
    for (library, name), expected in pairs.items():
        assert find_architecture(find_library(library), name).name == expected


def test_the_spec_says_only_what_differs_from_older_files() -> None:
    from resunit.models.weights import spec_from_json, spec_to_json

    spec = AKAMASTER.architectures["resnet20"].spec
    assert not {"bottleneck_ratio", "deep_stem", "stem_activation"} & spec_to_json(spec).keys()
    wide = replace(spec, branch="bottleneck", bottleneck_ratio=0.5, deep_stem=(8, 8), stem_activation="both")
    assert spec_from_json(json.loads(json.dumps(spec_to_json(wide)))) == wide


def test_an_absurd_deep_stem_is_refused_before_it_is_built(tmp_path: Path, state: State) -> None:
    from resunit.interop.convert import convert
    from resunit.io.tensors import read_tensors, write_tensors
    from resunit.models.weights import KIND

    source, out = tmp_path / "model.safetensors", tmp_path / "weights.safetensors"
    save_file(state, source)
    convert(source, out, library="akamaster", architecture="resnet20")
    record, tensors = read_tensors(out, KIND)
    record["network"]["deep_stem"] = [8] * 100_000
    write_tensors(out, KIND, record, tensors)
    with pytest.raises(resunit.FileFormatError, match=r"weights\.safetensors"):
        resunit.create_model(weights=out)
