"""Backbones of other libraries, whose files have no classifier: they give the same features."""

from pathlib import Path

import pytest
import timm
import torch
import torchvision
from torch import nn
from transformers import ResNetConfig, ResNetModel

import resunit
from resunit.cli import main
from resunit.errors import FileFormatError
from resunit.interop.convert import Conversion, convert
from resunit.interop.keras import KERAS
from resunit.training.prepare import prepare
from resunit.training.recipe import with_changes
from resunit.training.recipes import named_recipe
from tests.cli.command_lines import refused
from tests.interop.keras_network import NEW, random_state
from tests.interop.parity import assert_close, assert_parity, converted, draw


def torchvision_with(head: nn.Module) -> nn.Module:
    model = torchvision.models.resnet18()
    model.fc = head  # pyright: ignore[reportAttributeAccessIssue]
    return model


def stored(model: nn.Module, folder: Path) -> Path:
    torch.save(model.state_dict(), folder / "model.pth")
    return folder / "model.pth"


def convert_into(folder: Path, source: Path, library: str, architecture: str) -> Conversion:
    return convert(source, folder / "weights.safetensors", library=library, architecture=architecture)


@pytest.mark.parametrize("name", ["resnet18", "resnetv2_18"])
def test_timm(name: str) -> None:
    assert_parity(timm.create_model(name, num_classes=0), "timm", name, 64)


def test_torchvision() -> None:
    assert_parity(torchvision_with(nn.Identity()), "torchvision", "resnet18", 64)


def test_transformers() -> None:
    torch.manual_seed(0)
    theirs = ResNetModel(
        ResNetConfig(depths=[2, 2, 2, 2], hidden_sizes=[64, 128, 256, 512], layer_type="basic")
    )
    draw(theirs.eval())
    images = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        features = converted(theirs.state_dict(), "transformers", "resnet-18")(images)
        assert_close(features, theirs(images).pooler_output.flatten(1))


def test_keras() -> None:
    torch.manual_seed(0)
    state = random_state(KERAS.architectures["ResNet50"], NEW, 6)
    whole = converted(state, "keras", "ResNet50")
    backbone = converted(
        {name: tensor for name, tensor in state.items() if "predictions" not in name}, "keras", "ResNet50"
    )
    images = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        assert_close(whole.classifier(backbone(images)), whole(images))


def test_the_file_of_a_backbone(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    source, out = stored(timm.create_model("resnet18", num_classes=0), tmp_path), tmp_path / "w.safetensors"
    arguments = [str(source), "--from", "timm", "--architecture", "resnet18", "--out", str(out)]
    assert main(["convert", *arguments]) == 0
    assert [line for line in capsys.readouterr().out.splitlines() if "no classifier" in line]
    images = torch.zeros(2, 3, 64, 64)
    assert resunit.create_model(weights=out)(images).shape == (2, 512)
    assert resunit.create_model(weights=out, num_classes=3)(images).shape == (2, 3)
    assert f"resunit train --weights {out}" in refused(capsys, 1, "predict", str(out), "x.png")
    changes = {"weights": str(out), "data": "cifar10-sample", "image_size": 32, "steps": 1}
    classifier = prepare(with_changes(named_recipe("finetune"), changes)).network.get_submodule("classifier")
    assert isinstance(classifier, nn.Linear)
    assert classifier.weight.shape == (10, 512)


def test_the_architecture_of_a_backbone_is_found(tmp_path: Path) -> None:
    source = stored(timm.create_model("resnetv2_18", num_classes=0), tmp_path)
    with pytest.raises(FileFormatError, match=r"--from timm --architecture resnetv2_18$"):
        convert_into(tmp_path, source, "timm", "resnetv2_34")


def test_a_classifier_of_several_layers_is_left_out_as_the_message_says(tmp_path: Path) -> None:
    model = torchvision_with(nn.Sequential(nn.Dropout(), nn.Linear(512, 5)))
    with pytest.raises(FileFormatError, match=r"fc\.1\.weight"):
        convert_into(tmp_path, stored(model, tmp_path), "torchvision", "resnet18")
    rest = {name: tensor for name, tensor in model.state_dict().items() if not name.startswith("fc.")}
    torch.save(rest, tmp_path / "rest.pth")
    assert convert_into(tmp_path, tmp_path / "rest.pth", "torchvision", "resnet18").classes == 0
