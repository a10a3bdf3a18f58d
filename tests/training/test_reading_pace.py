"""The losses of steps stay on the device until something needs them; a run that reads seldom is the same run."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch

import resunit
from resunit.runs.folder import RunFolder
from resunit.training import loop
from resunit.training.loss import TrainingLoss
from resunit.training.reading_pace import SECONDS_BETWEEN_READINGS, ReadingPace
from resunit.training.recipe import Recipe, with_changes
from resunit.training.recipes import named_recipe
from resunit.training.totals import CAPACITY, StepTotals
from resunit.training.training_step import TrainingStep


def small(**changes: Any) -> Recipe:
    fields = {
        "model": "resnet20", "data": "cifar10-sample", "image_size": 8, "padding": 1, "steps": 8, "batch_size": 16,
        "precision": "fp32", "evaluate_steps": 5, "checkpoint_every": 3, "evaluation_images": 16,
    }  # fmt: skip
    return with_changes(named_recipe("paper"), fields | changes)


class SeldomPace(ReadingPace):
    """Never asks for a reading, as on a GPU that computes all steps within half a second."""

    def __init__(self, every_step: bool):
        super().__init__(every_step)
        self.steps = CAPACITY


def test_as_many_steps_are_read_together_as_take_half_a_second() -> None:
    pace = ReadingPace(every_step=False)
    read = []
    for _ in range(12):
        steps = next(count for count in range(1, CAPACITY + 1) if pace.is_due(count))
        read.append(steps)
        pace.add(steps, steps * SECONDS_BETWEEN_READINGS / 100)
    assert read == [1, 2, 4, 8, 16, 32, 64, *[100] * 5]
    pace.add(100, 100 * SECONDS_BETWEEN_READINGS)  # Each step took half a second.
    assert pace.is_due(1)


def test_a_pace_for_every_step_stays() -> None:
    pace = ReadingPace(every_step=True)
    pace.add(1, 1e-6)
    assert pace.is_due(1)


def test_totals_are_read_once_and_in_order() -> None:
    totals = StepTotals(torch.device("cpu"), torch.float32)
    for reading in range(2):
        for step in range(3):
            totals.prepare()
            totals.store(torch.tensor([reading + step / 8, step]))
        assert totals.unread == 3
        assert totals.read() == [(reading + step / 8, step) for step in range(3)]
        assert totals.read() == []


def files_of(folder: Path) -> list[bytes]:
    """Return the bytes of the final weights, and the log without its times."""
    lines = [
        (line.step, line.train_loss, line.train_error, line.loss) for line in RunFolder(folder).read_log()
    ]
    return [(folder / "weights.safetensors").read_bytes(), repr(lines).encode()]


def test_a_run_that_reads_seldom_is_the_same_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It reads where a line is logged or a checkpoint is due: after steps 3, 5, 6 and 8."""
    resunit.train(small(), out=tmp_path / "often", quiet=True)
    read, readings = TrainingStep.read, []

    def counting_read(steps: TrainingStep) -> list[tuple[float, int]]:
        found = read(steps)
        readings.append(len(found))
        return found

    monkeypatch.setattr(TrainingStep, "read", counting_read)
    monkeypatch.setattr(loop, "ReadingPace", SeldomPace)
    resunit.train(small(), out=tmp_path / "seldom", quiet=True)
    assert readings == [3, 2, 1, 2]
    assert files_of(tmp_path / "often") == files_of(tmp_path / "seldom")


@pytest.mark.parametrize("pace", [ReadingPace, SeldomPace])
def test_divergence_is_found_before_a_checkpoint(
    pace: type[ReadingPace], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The fifth step has no finite loss; the record says so, however many steps were computed until then."""
    loss, train = TrainingLoss.__call__, TrainingStep.train

    def train_poisoned(steps: TrainingStep, step: int) -> None:
        if step == 4:
            monkeypatch.setattr(TrainingLoss, "__call__", lambda *given: loss(*given) * math.nan)
        train(steps, step)

    monkeypatch.setattr(TrainingStep, "train", train_poisoned)
    monkeypatch.setattr(loop, "ReadingPace", pace)
    result = resunit.train(small(evaluate_steps=100), out=tmp_path / "run", quiet=True)
    # The loss that is read has no smoothing and no weights, so the weights that this step spoils show in the next.
    assert (result.status, result.steps) == ("diverged", 5)
    assert [path.name for path in (tmp_path / "run" / "checkpoints").iterdir()] == [
        "step-00000003.safetensors"
    ]
