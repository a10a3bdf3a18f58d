"""Weights of transformers."""

from pathlib import Path

import pytest
from transformers import ResNetConfig, ResNetForImageClassification

from resunit.errors import UsageError
from resunit.interop.convert import convert
from resunit.interop.registry import find_architecture
from resunit.interop.transformers import TRANSFORMERS
from tests.interop.parity import assert_parity


def network(name: str) -> ResNetForImageClassification:
    spec = TRANSFORMERS.architectures[name].spec
    config = ResNetConfig(
        depths=list(spec.depths),
        hidden_sizes=list(spec.widths),
        layer_type=spec.branch,
        downsample_in_bottleneck=spec.stride_on == "1x1",
    )
    config.num_labels = 7
    return ResNetForImageClassification(config)


def test_a_small_network() -> None:
    assert_parity(network("resnet-18"), "transformers", "resnet-18", 64)


@pytest.mark.full
@pytest.mark.parametrize("name", [name for name in TRANSFORMERS.architectures if name != "resnet-18"])
def test_every_architecture(name: str) -> None:
    assert_parity(network(name), "transformers", name, 64)


def test_a_configuration_describes_any_sizes(tmp_path: Path) -> None:
    config = ResNetConfig(
        depths=[1, 2],
        hidden_sizes=[24, 32],
        embedding_size=8,
        downsample_in_bottleneck=True,
        downsample_in_first_stage=True,
    )
    config.save_pretrained(tmp_path)
    assert_parity(ResNetForImageClassification(config), "transformers", str(tmp_path / "config.json"), 64)


def test_a_name_that_the_configuration_beside_the_file_contradicts(tmp_path: Path) -> None:
    ResNetConfig(downsample_in_bottleneck=True).save_pretrained(tmp_path)
    with pytest.raises(UsageError, match=r"config\.json"):
        convert(
            tmp_path / "model.safetensors",
            tmp_path / "weights.safetensors",
            library="transformers",
            architecture="resnet-50",
        )


def test_an_activation_that_cannot_be_expressed(tmp_path: Path) -> None:
    ResNetConfig(hidden_act="gelu").save_pretrained(tmp_path)
    with pytest.raises(UsageError, match="gelu"):
        find_architecture(TRANSFORMERS, str(tmp_path / "config.json"))
