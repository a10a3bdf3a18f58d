"""Training, resuming, loading, predicting and evaluating leave the process that calls them as it was.

They also compute the same in any process, whatever its grad mode and default dtype.
"""

import os
import random
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import resunit
from resunit.inference import evaluate_weights
from resunit.io.cores import available_cores
from resunit.io.ending_signals import ENDING_SIGNALS
from resunit.io.fields import to_json
from resunit.runs.folder import RunFolder
from resunit.runs.record_files import write_json
from resunit.training.process_state import isolated_process_state
from resunit.training.recipe import Recipe, with_changes
from resunit.training.recipes import named_recipe
from resunit.training.threads import OtherThreads
from resunit.training.training_step import TrainingStep


def recipe(name: str = "paper", **changes: Any) -> Recipe:
    small = {
        "model": "resnet20", "design": "dropout-shortcut", "data": "cifar10-sample", "image_size": 16,
        "steps": 2, "batch_size": 16, "checkpoint_every": 1, "validation": 20,
    }  # fmt: skip
    return with_changes(named_recipe(name), small | changes)


QUICK = recipe("quick", model="preresnet10-quick", design=None)  # It has a whitening stem and uses Muon.


def host() -> dict[str, object]:
    """Return everything that the host could have set and that its own random numbers depend on."""
    return {
        "torch's random numbers": torch.get_rng_state().tolist(),
        "python's random numbers": random.getstate(),
        "numpy's random numbers": str(np.random.get_state()),  # noqa: NPY002
        "threads": torch.get_num_threads(),
        "default dtype": torch.get_default_dtype(),
        "default device": torch.get_default_device(),
        "grad mode": (torch.is_grad_enabled(), torch.is_inference_mode_enabled()),
        "environment": dict(os.environ),
        "sys.path": list(sys.path),
        "signal handlers": [signal.getsignal(number) for number in ENDING_SIGNALS],
        "working directory": Path.cwd(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
    }


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("host") / "finished"
    resunit.train(recipe(), out=folder, quiet=True)
    return folder


def stopped(folder: Path, threads: int = 3) -> Path:
    """Return the folder of a run that was stopped after its first step, on a machine with `threads` threads."""

    def train_with_signal(steps: TrainingStep, step: int) -> None:
        signal.raise_signal(signal.SIGTERM)
        train_one(steps, step)

    train_one = TrainingStep.train
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TrainingStep, "train", train_with_signal)
        assert resunit.train(recipe(), out=folder, quiet=True).status == "stopped"
    environment = RunFolder(folder).read_environment()
    assert environment is not None
    write_json(RunFolder(folder).environment, {**to_json(environment), "threads": threads})
    return folder


def train(_finished: Path, out: Path) -> None:
    resunit.train(recipe(), out=out, quiet=True)


def resume_with_other_threads(_finished: Path, out: Path) -> None:
    assert resunit.resume(stopped(out, available_cores()), quiet=True).status == "done"


def predict(finished: Path, _out: Path) -> None:
    resunit.load(finished).predict(np.zeros((40, 50, 3), np.uint8))


def evaluate(finished: Path, _out: Path) -> None:
    evaluate_weights(finished, tta=True)


Use = Callable[[Path, Path], None]


@pytest.mark.parametrize("use", [train, resume_with_other_threads, predict, evaluate])
def test_the_host_stays_as_it_was(use: Use, finished: Path, tmp_path: Path) -> None:
    random.seed(11)
    np.random.seed(12)  # noqa: NPY002
    torch.manual_seed(13)
    before = host()
    use(finished, tmp_path / "run")
    assert host() == before


@pytest.mark.parametrize("recorded", [2, 64])
def test_the_recorded_number_of_threads_is_set_while_a_run_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recorded: int
) -> None:
    """But never more threads than there are cores, here three."""
    monkeypatch.setattr("resunit.training.threads.available_cores", lambda: 3)
    folder, seen, step = stopped(tmp_path / "run", recorded), [], TrainingStep.train

    def train_and_look(steps: TrainingStep, number: int) -> None:
        seen.append(torch.get_num_threads())
        step(steps, number)

    monkeypatch.setattr(TrainingStep, "train", train_and_look)
    with pytest.warns(OtherThreads, match="64") if recorded == 64 else nullcontext():
        resunit.resume(folder, quiet=True)
    assert seen == [min(recorded, 3)]
    environment = RunFolder(folder).read_environment()
    assert environment is not None
    assert environment.threads == min(recorded, 3)


class BrokenStepError(Exception):
    """An error in the middle of a run."""


def test_the_host_stays_as_it_was_after_an_exception(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    step = TrainingStep.train

    def spoil_and_break(steps: TrainingStep, number: int) -> None:
        if number == 0:
            return step(steps, number)
        random.random()
        np.random.rand()  # noqa: NPY002
        torch.set_num_threads(torch.get_num_threads() + 1)
        torch.set_default_dtype(torch.float64)
        os.environ["RESUNIT_TEST_HOST"] = "1"
        os.environ["PATH"] = "nowhere"
        del os.environ["OMP_NUM_THREADS"]
        sys.path.insert(0, "nowhere")
        raise BrokenStepError

    monkeypatch.setattr(TrainingStep, "train", spoil_and_break)
    before = host()
    with pytest.raises(BrokenStepError):
        resunit.train(recipe(), out=tmp_path / "run", quiet=True)
    assert host() == before


@contextmanager
def gradients_disabled_for_good() -> Iterator[None]:
    torch.set_grad_enabled(False)
    try:
        yield
    finally:
        torch.set_grad_enabled(True)


@contextmanager
def other_dtype() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)


def autocast() -> AbstractContextManager[Any]:
    return torch.autocast("cpu", torch.bfloat16)


def other_device() -> AbstractContextManager[Any]:
    return torch.device("meta")


HOSTS = [
    gradients_disabled_for_good,
    torch.no_grad,
    torch.inference_mode,
    other_dtype,
    autocast,
    other_device,
]


@pytest.mark.parametrize(
    "chosen", [recipe(), pytest.param(QUICK, marks=pytest.mark.full)], ids=["paper", "quick"]
)
def test_training_is_bitwise_the_same_in_any_host(chosen: Recipe, tmp_path: Path) -> None:
    weights = []
    for number, enter in enumerate([nullcontext, *HOSTS]):
        random.seed(number)
        torch.manual_seed(number)
        context: AbstractContextManager[Any] = enter()
        with context:
            resunit.train(chosen, out=tmp_path / str(number), quiet=True)
        weights.append(load_file(tmp_path / str(number) / "weights.safetensors"))
    for other in weights[1:]:
        assert other.keys() == weights[0].keys()
        for name, tensor in weights[0].items():
            assert other[name].dtype == tensor.dtype
            assert torch.equal(other[name], tensor)


@pytest.mark.parametrize("enter", HOSTS)
def test_predictions_are_the_same_in_any_host(
    enter: Callable[[], AbstractContextManager[Any]], finished: Path
) -> None:
    image = np.random.default_rng(0).integers(0, 256, (33, 40, 3), np.uint8)
    expected = resunit.load(finished).predict(image)
    with enter():
        assert resunit.load(finished).predict(image) == expected


def test_the_isolation_is_a_context_and_a_decorator() -> None:
    @isolated_process_state()
    def draw() -> tuple[float, bool, torch.dtype]:
        return torch.rand(()).item(), torch.is_grad_enabled(), torch.get_default_dtype()

    with torch.no_grad(), other_dtype():
        before = host()
        first, second = draw(), draw()
        assert first == second
        assert first[1:] == (True, torch.float32)
        with isolated_process_state():
            torch.manual_seed(5)
        assert host() == before
