"""Compiled training steps: the numbers are those of plain ones, and nothing but the steps is compiled."""

import json
import signal
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

import resunit
from resunit.errors import UsageError
from resunit.training.compilation import CompiledUnits, check_compiler
from resunit.training.distributed import Distributed
from resunit.training.recipe import Recipe, with_changes
from resunit.training.recipes import named_recipe
from resunit.training.training_step import TrainingStep

CPU = torch.device("cpu")
SMALL: dict[str, Any] = {
    "model": "preresnet20", "data": "cifar10-sample", "image_size": 8, "padding": 1, "steps": 4, "batch_size": 16,
    "ghost_batch_size": 8, "device": "cpu", "precision": "fp64", "checkpoint_every": 2, "evaluate_steps": 2,
    "evaluation_images": 20, "tta": False,
}  # fmt: skip


def small(**changes: Any) -> Recipe:
    return with_changes(named_recipe("paper"), SMALL | changes)


@pytest.fixture(autouse=True)
def _forget_compiled_code() -> None:
    torch.compiler.reset()


@pytest.fixture
def graphs(monkeypatch: pytest.MonkeyPatch) -> list[torch.fx.GraphModule]:
    """Compile with a backend that computes as before, and return all that it gets."""
    seen: list[torch.fx.GraphModule] = []

    def keep(graph: torch.fx.GraphModule, _inputs: list[Tensor]) -> Callable[..., Any]:
        seen.append(graph)
        return graph.forward

    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend=keep))
    return seen


def compute(network: torch.nn.Module, images: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    """Return the logits and the gradients of their sum of squares."""
    network.zero_grad()
    logits = network(images)
    logits.square().sum().backward()
    gradients = {name: p.grad.clone() for name, p in network.named_parameters() if p.grad is not None}
    return logits.detach(), gradients


@pytest.mark.parametrize("checkpointing", ["fast", pytest.param("small", marks=pytest.mark.full)])
def test_a_compiled_run_leaves_what_a_plain_one_leaves(
    checkpointing: str, graphs: list[torch.fx.GraphModule], tmp_path: Path
) -> None:
    """In float64 torch's own layers compute in both runs, and the backend computes what they compute."""
    resunit.train(small(activation_checkpointing=checkpointing), out=tmp_path / "plain", quiet=True)
    assert graphs == []
    compiled = small(activation_checkpointing=checkpointing, compile=True)
    resunit.train(compiled, out=tmp_path / "compiled", quiet=True)
    assert graphs
    assert json.loads((tmp_path / "compiled" / "recipe.json").read_text())["compile"] is True
    plain, compiled = (load_file(tmp_path / name / "weights.safetensors") for name in ("plain", "compiled"))
    assert plain.keys() == compiled.keys()
    assert all(torch.equal(plain[name], compiled[name]) for name in plain)
    assert resunit.load(tmp_path / "compiled").network.state_dict().keys() == plain.keys()


def test_units_of_one_form_share_their_code_however_many_there_are(
    graphs: list[torch.fx.GraphModule],
) -> None:
    counts = []
    for name in ("preresnet20", "preresnet32"):
        torch.compiler.reset()
        graphs.clear()
        network = resunit.create_model(name, num_classes=10).double()
        with CompiledUnits(network).in_use():
            network(torch.randn(2, 3, 8, 8, dtype=torch.float64))
        counts.append(len(graphs))
    assert counts[0] == counts[1] < 9


def test_all_forms_are_compiled_where_they_are_more_than_torch_keeps_by_default(
    graphs: list[torch.fx.GraphModule],
) -> None:
    network = resunit.create_model("preresnet20", num_classes=10).double()
    units, numbers = CompiledUnits(network), []
    for side in (8, 12, 16):
        with units.in_use():
            network(torch.randn(2, 3, side, side, dtype=torch.float64))
        numbers.append(len(graphs))
    assert numbers == [numbers[0] * count for count in (1, 2, 3)]
    assert numbers[-1] > torch._dynamo.config.recompile_limit  # pyright: ignore[reportPrivateImportUsage]


def test_outside_of_a_step_the_network_is_the_plain_one(graphs: list[torch.fx.GraphModule]) -> None:
    network = resunit.create_model("preresnet20", num_classes=10)
    names = set(network.state_dict())
    units = CompiledUnits(network)
    with pytest.raises(KeyError), units.in_use():
        raise KeyError
    network(torch.randn(2, 3, 8, 8))
    assert graphs == []
    assert set(network.state_dict()) == names


def test_a_network_without_units_is_compiled_as_a_whole(graphs: list[torch.fx.GraphModule]) -> None:
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU(), torch.nn.Flatten())
    images = torch.randn(2, 3, 6, 6)
    plain, gradients = compute(network, images)
    with CompiledUnits(network).in_use():
        compiled, others = compute(network, images)
    assert len(graphs) == 1
    assert torch.equal(plain, compiled)
    assert all(torch.equal(gradients[name], others[name]) for name in gradients)


def test_several_processes_are_refused() -> None:
    with pytest.raises(UsageError, match=r"^compile .*--compile"):
        check_compiler(Distributed(0, 2, CPU))


@pytest.mark.full
def test_a_machine_without_a_compiler_is_told_so_in_one_line() -> None:
    from torch._inductor import config

    with (
        config.patch({"cpp.cxx": ("no-such-compiler",), "force_disable_caches": True}),
        pytest.raises(UsageError, match=r"^torch\.compile .*cpu.*--compile$") as raised,
    ):
        check_compiler(Distributed(0, 1, CPU))
    assert "\n" not in str(raised.value)


@pytest.mark.full
def test_torch_compile_computes_what_the_plain_network_computes() -> None:
    """In float64 both round at 1.1e-16; 20 layers with sums of up to 576 terms amplify that by less than 1e6."""
    torch.manual_seed(0)
    network = resunit.create_model("preresnet20", num_classes=10).double().train()
    images = torch.randn(8, 3, 16, 16, dtype=torch.float64)
    plain, gradients = compute(network, images)
    with CompiledUnits(network).in_use():
        compiled, others = compute(network, images)
    assert float((compiled - plain).norm() / plain.norm()) < 1e-10
    for name, gradient in gradients.items():
        assert float((others[name] - gradient).norm()) < 1e-10 * float(gradient.norm()) + 1e-12, name


@pytest.mark.full
def test_a_compiled_run_resumes_bit_for_bit_and_rounds_as_well_as_a_plain_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The distance of each float32 run to the run in float64 tells how it rounds."""
    changes = {"learning_rate": 0.01, "warmup": 0.0}
    resunit.train(small(**changes), out=tmp_path / "exact", quiet=True)
    resunit.train(small(**changes, precision="fp32"), out=tmp_path / "plain", quiet=True)
    compiled = small(**changes, precision="fp32", compile=True)
    resunit.train(compiled, out=tmp_path / "compiled", quiet=True)
    exact, plain, found = (
        load_file(tmp_path / name / "weights.safetensors") for name in ("exact", "plain", "compiled")
    )
    distances = [
        sum(float((run[name].double() - exact[name].double()).square().sum()) for name in exact) ** 0.5
        for run in (plain, found)
    ]
    assert 0 < distances[1] < 10 * distances[0]

    train = TrainingStep.train

    def train_with_signal(steps: TrainingStep, step: int) -> None:
        if step == 2:
            signal.raise_signal(signal.SIGTERM)
        train(steps, step)

    with monkeypatch.context() as signalled:
        signalled.setattr(TrainingStep, "train", train_with_signal)
        assert resunit.train(compiled, out=tmp_path / "stopped", quiet=True).status == "stopped"
    assert resunit.resume(tmp_path / "stopped", quiet=True).status == "done"
    whole, resumed = (tmp_path / name / "weights.safetensors" for name in ("compiled", "stopped"))
    assert whole.read_bytes() == resumed.read_bytes()
