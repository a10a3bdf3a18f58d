"""bf16 is the default on devices that have it in hardware, for networks that tolerate it."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

import resunit
from resunit import train
from resunit.errors import UsageError
from resunit.models.registry import network_spec
from resunit.training import display
from resunit.training import precision as precisions
from resunit.training.recipe import with_changes
from resunit.training.recipes import named_recipe

CPU = torch.device("cpu")
CUDNN: Any = torch.backends.cudnn  # Its stub lacks `conv`.


@pytest.mark.parametrize(
    ("name", "has_bf16", "expected"),
    [
        ("preresnet1001", True, "bf16"),
        ("resnet1001", True, "fp32"),
        ("resnet1202", True, "fp32"),
        ("resnet110", True, "bf16"),
        ("preresnet20", False, "fp32"),
    ],
)
def test_auto_is_bf16_where_the_processor_has_it_and_the_network_tolerates_it(
    name: str, has_bf16: bool, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(precisions, "supports_bf16", lambda _device: has_bf16)
    recipe = named_recipe("paper")
    assert precisions.resolve_precision(recipe, network_spec(name), CPU) == expected
    asked = replace(recipe, precision="bf16")
    assert precisions.resolve_precision(asked, network_spec(name), CPU) == "bf16"


@pytest.mark.parametrize(
    ("precision", "said"),
    [("auto", "fp32 on cpu without fast bf16"), ("bf16", "bf16 on cpu, which emulates bf16")],
)
def test_the_display_says_once_that_a_processor_has_no_bf16(
    precision: str,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for module in (precisions, display):
        monkeypatch.setattr(module, "supports_bf16", lambda _device: False)
    changes = {
        "model": "resnet20", "data": "cifar10-sample", "image_size": 8, "steps": 1, "batch_size": 8,
        "precision": precision,
    }  # fmt: skip
    train(with_changes(named_recipe("paper"), changes), out=tmp_path / "run")
    assert capsys.readouterr().err.count(said) == 1


def test_fp64_trains_in_float64_and_its_weights_load_everywhere(tmp_path: Path) -> None:
    changes = {
        "model": "preresnet20", "data": "cifar10-sample", "image_size": 8, "padding": 2, "steps": 2, "batch_size": 8,
        "precision": "fp64", "watch_propagation": 1, "checkpoint_every": 1,
    }  # fmt: skip
    result = train(with_changes(named_recipe("paper"), changes), out=tmp_path / "run", quiet=True)
    weights = load_file(tmp_path / "run" / "weights.safetensors")
    assert {tensor.dtype for tensor in weights.values()} == {torch.float64, torch.int64}
    evaluated = resunit.inference.evaluate_weights(tmp_path / "run", data="cifar10-sample")
    assert evaluated.error == pytest.approx(result.test_error, abs=0.5)
    network = resunit.create_model(weights=tmp_path / "run")
    assert {parameter.dtype for parameter in network.parameters()} == {torch.float32}


@pytest.mark.parametrize(
    ("name", "asked", "expected"),
    [
        ("resnet1001", "auto", "tf32"),
        ("preresnet1001", "auto", "bf16"),
        ("resnet1001", "fp32", "fp32"),
        ("preresnet20", "tf32", "tf32"),
    ],
)
def test_auto_is_tf32_on_a_gpu_where_bf16_is_not_tolerated(
    name: str, asked: str, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name_of_question in ("supports_bf16", "supports_tf32"):
        monkeypatch.setattr(precisions, name_of_question, lambda device: device.type == "cuda")
    recipe = with_changes(named_recipe("paper"), {"precision": asked})
    assert precisions.resolve_precision(recipe, network_spec(name), torch.device("cuda")) == expected


def test_tf32_is_refused_where_there_is_none() -> None:
    recipe = replace(named_recipe("paper"), precision="tf32")
    with pytest.raises(UsageError, match=r"^precision tf32 .*cpu.*precision fp32"):
        precisions.resolve_precision(recipe, network_spec("resnet20"), CPU)


@pytest.fixture(params=["none", "ieee", "tf32"])
def settings_of_host(request: pytest.FixtureRequest) -> Iterator[None]:
    parts = (torch.backends.cuda.matmul, CUDNN.conv)
    before = [part.fp32_precision for part in parts]
    for part in parts:
        part.fp32_precision = request.param
    yield
    for part, setting in zip(parts, before, strict=True):
        part.fp32_precision = setting


def gpu_settings() -> tuple[object, ...]:
    return torch.backends.cuda.matmul.fp32_precision, CUDNN.conv.fp32_precision, CUDNN.benchmark


@pytest.mark.parametrize(("precision", "setting"), [("fp32", "ieee"), ("bf16", "ieee"), ("tf32", "tf32")])
@pytest.mark.usefixtures("settings_of_host")
def test_float32_on_a_gpu_is_what_the_precision_says_and_the_hosts_setting_comes_back(
    precision: str, setting: str
) -> None:
    """These are settings of torch that exist without a GPU as well."""
    cuda = torch.device("cuda")
    before = gpu_settings()
    with precisions.fp32_arithmetic(cuda, precision):
        assert gpu_settings()[:2] == (setting, setting)
    assert gpu_settings() == before
    with pytest.raises(KeyError), precisions.fp32_arithmetic(cuda, precision):
        raise KeyError
    assert gpu_settings() == before
    with precisions.fp32_arithmetic(CPU, precision):
        assert gpu_settings() == before


@pytest.mark.parametrize("by_time", [True, False])
@pytest.mark.parametrize("of_host", [True, False])
def test_kernels_are_chosen_by_time_or_add_up_in_a_fixed_order_within_a_run_on_a_gpu(
    by_time: bool, of_host: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    cudnn = torch.backends.cudnn
    monkeypatch.setattr(cudnn, "benchmark", of_host)
    monkeypatch.setattr(cudnn, "deterministic", of_host)
    with precisions.choosing_kernels(torch.device("cuda"), by_time=by_time):
        assert (cudnn.benchmark, cudnn.deterministic) == (by_time, not by_time)
    assert (cudnn.benchmark, cudnn.deterministic) == (of_host, of_host)
    with precisions.choosing_kernels(CPU, by_time=by_time):
        assert (cudnn.benchmark, cudnn.deterministic) == (of_host, of_host)


def test_fp64_is_refused_where_there_is_none() -> None:
    recipe = replace(named_recipe("paper"), precision="fp64")
    with pytest.raises(UsageError, match=r"precision fp64 .*mps.*device cpu"):
        precisions.resolve_precision(recipe, network_spec("resnet20"), torch.device("mps"))
