"""Captured as a CUDA graph, a run is bitwise the run that is not; it resumes, and says why if it is not captured."""

import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

import resunit
from resunit.runs.folder import RunFolder
from resunit.training.captured_work import RUNS_BEFORE_CAPTURE, CapturedWork
from resunit.training.prepare import prepare
from resunit.training.recipe import Recipe, with_changes
from resunit.training.recipes import named_recipe
from resunit.training.training_step import TrainingStep

pytestmark = pytest.mark.gpu

DEVICE = "cuda"
SMALL: dict[str, Any] = {
    "data": "cifar10-sample", "steps": 12, "batch_size": 64, "device": DEVICE, "cudnn_benchmark": False, "tta": False,
    "evaluate_steps": 5, "checkpoint_every": 4,
}  # fmt: skip
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "paper": ("paper", {"model": "preresnet20", "ghost_batch_size": 32, "precision": "bf16"}),
    "fp32": ("paper", {"model": "preresnet20", "ghost_batch_size": None, "precision": "fp32"}),
    "quick": ("quick", {"model": "preresnet10-quick"}),  # Muon, and images of two sizes: two graphs.
    "fast94": ("fast94", {"model": "preresnet12-fast94"}),
    "dropout": ("paper", {"model": "resnet20", "design": "dropout-shortcut"}),
    "stochastic depth": ("paper", {"model": "preresnet20", "design": "stochastic-depth"}),
    "adamw": ("paper", {"model": "preresnet20", "optimizer": "adamw", "max_gradient_norm": 0.5}),
    "average": ("paper", {"model": "preresnet20", "ema_decay": 0.9}),
}


def recipe(case: str, **changes: Any) -> Recipe:
    name, own = CASES[case]
    return with_changes(named_recipe(name), SMALL | own | changes)


def ending(folder: Path) -> tuple[bytes, str]:
    """Return the bytes of the final weights, and the log without its times."""
    lines = [
        (line.step, line.train_loss, line.train_error, line.loss) for line in RunFolder(folder).read_log()
    ]
    return (folder / "weights.safetensors").read_bytes(), repr(lines)


@pytest.mark.parametrize("case", CASES)
def test_captured_and_uncaptured_runs_are_bitwise_the_same(case: str, tmp_path: Path) -> None:
    for captured in (True, False):
        resunit.train(recipe(case, capture=captured), out=tmp_path / str(captured), quiet=True)
    assert ending(tmp_path / "True") == ending(tmp_path / "False")


def test_steps_are_captured_after_the_first_ones() -> None:
    setup = prepare(recipe("dropout"))
    steps = TrainingStep(setup, setup.network.train(), setup.batches.feed(0, 12, setup.image_size_at))
    said: list[str] = []
    steps.capture_if_possible(said.append)
    for step in range(RUNS_BEFORE_CAPTURE + 2):
        steps.train(step)
    assert steps.captured is not None
    assert steps.captured.graph is not None
    assert said == []
    assert len(steps.read()) == RUNS_BEFORE_CAPTURE + 2


@pytest.mark.parametrize("case", ["paper", "quick", "dropout"])
def test_a_captured_run_resumes_bit_for_bit(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train = TrainingStep.train

    def train_with_signal(steps: TrainingStep, step: int) -> None:
        if step == 7:
            signal.raise_signal(signal.SIGTERM)
        train(steps, step)

    resunit.train(recipe(case), out=tmp_path / "whole", quiet=True)
    with monkeypatch.context() as signalled:
        signalled.setattr(TrainingStep, "train", train_with_signal)
        assert resunit.train(recipe(case), out=tmp_path / "stopped", quiet=True).status == "stopped"
    assert resunit.resume(tmp_path / "stopped", quiet=True).status == "done"
    assert ending(tmp_path / "whole")[0] == ending(tmp_path / "stopped")[0]


def test_divergence_is_found(tmp_path: Path) -> None:
    changes = {"learning_rate": 1e30, "warmup": 0.0, "steps": 200, "evaluate_steps": 1000}
    result = resunit.train(recipe("fp32", **changes), out=tmp_path / "run", quiet=True)
    assert result.status == "diverged"
    assert result.steps < 10


class Asking(nn.Module):
    """A network that looks at a number on the host in each pass."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3)
        self.head = nn.Linear(8, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x).mean((2, 3))
        return self.head(x / 2 if float(x.detach().abs().max()) > 1e6 else x)


def test_a_network_that_asks_the_host_is_trained_uncaptured_and_one_line_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    result = resunit.train(recipe("fp32", design=None), model=Asking(), out=tmp_path / "run")
    assert result.status == "done"
    said = [line for line in capsys.readouterr().err.splitlines() if "not captured" in line]
    assert len(said) == 1
    assert "aten._local_scalar_dense" in said[0]


def test_work_that_cannot_be_captured_goes_on_as_it_is_written() -> None:
    """Here nobody watches the first runs, so the error comes while the work is captured.

    The random generator and the memory have to be usable after it.
    """
    x, said, undone = torch.zeros((), device=DEVICE), [], []
    ones = torch.ones(1000, device=DEVICE)

    def work() -> None:
        x.add_(1)
        assert functional.dropout(ones).sum().item() > 0

    captured = CapturedWork(torch.device(DEVICE), lambda: undone.append(1), said.append, watched=False)
    for _ in range(RUNS_BEFORE_CAPTURE + 3):
        captured.run(work, None)
    assert (x.item(), len(said), len(undone)) == (RUNS_BEFORE_CAPTURE + 3, 1, 1)


def test_a_run_leaves_no_memory_behind(tmp_path: Path) -> None:
    resunit.train(recipe("paper"), out=tmp_path / "first", quiet=True)  # Libraries keep what they need once.
    before = torch.cuda.memory_allocated()
    resunit.train(recipe("paper"), out=tmp_path / "second", quiet=True)
    assert torch.cuda.memory_allocated() <= before
