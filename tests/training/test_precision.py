"""Where bf16 is the default: on devices that are fast at it, for networks that tolerate it."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from resunit import train
from resunit.models.registry import network_spec
from resunit.training import display
from resunit.training import precision as precisions
from resunit.training.recipes import named_recipe

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("name", "fast", "expected"),
    [
        ("preresnet1001", True, "bf16"),
        ("resnet1001", True, "fp32"),
        ("resnet1202", True, "fp32"),
        ("resnet110", True, "bf16"),
        ("preresnet20", False, "fp32"),
    ],
)
def test_auto(name: str, fast: bool, expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precisions, "supports_bf16", lambda _device: fast)
    recipe = named_recipe("paper")
    assert precisions.resolve_precision(recipe, network_spec(name), CPU) == expected
    asked = replace(recipe, precision="bf16")
    assert precisions.resolve_precision(asked, network_spec(name), CPU) == "bf16"


@pytest.mark.parametrize(
    ("precision", "said"),
    [("auto", "fp32 on cpu without fast bf16"), ("bf16", "bf16 on cpu that emulates bf16")],
)
def test_a_processor_without_bf16_is_told_once(
    precision: str,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for module in (precisions, display):
        monkeypatch.setattr(module, "supports_bf16", lambda _device: False)
    recipe = named_recipe("paper")
    recipe = replace(
        recipe, model="resnet20", data="cifar10-sample", steps=1, batch_size=8, precision=precision
    )
    train(replace(recipe, evaluation_images=8), out=tmp_path / "run")
    assert capsys.readouterr().err.count(said) == 1
