"""When a checkpoint is written: the clock decides that alone, and the run is the same whatever it says."""

from pathlib import Path

import pytest

import resunit
from resunit.training import checkpoint_pace, checkpoints, loop, writer
from resunit.training.checkpoint_pace import SECONDS_BETWEEN_CHECKPOINTS, CheckpointPace
from resunit.training.recipe import with_changes
from resunit.training.recipes import named_recipe

CHANGES = {
    "model": "preresnet20", "data": "cifar10-sample", "image_size": 8, "padding": 2, "steps": 4, "batch_size": 8,
    "precision": "fp32", "evaluation_images": 33,
}  # fmt: skip


class Time:
    """A clock that stands still until it is set."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    stopped = Time()
    monkeypatch.setattr("resunit.training.clock.time", stopped)
    return stopped


def test_a_checkpoint_is_overdue_when_the_last_one_took_less_than_a_hundredth_of_the_time_since(
    time: Time,
) -> None:
    pace = CheckpointPace(None)
    for cost in (checkpoint_pace.SECONDS_OF_FIRST, 2.0, 0.5):
        time.now += 99.9 * cost
        assert not pace.is_overdue
        time.now += 0.2 * cost
        assert pace.is_overdue
        following = {0.1: 2.0, 2.0: 0.5, 0.5: 0.5}[cost]
        with pace.saving():
            time.now += following
        assert not pace.is_overdue


def test_with_a_number_of_steps_ten_minutes_are_the_longest_time(time: Time) -> None:
    pace = CheckpointPace(100)
    with pace.saving():
        time.now += 30
    time.now += SECONDS_BETWEEN_CHECKPOINTS
    assert not pace.is_overdue
    time.now += 1
    assert pace.is_overdue


def saved_steps(
    out: Path, monkeypatch: pytest.MonkeyPatch, overdue_after: int | None, every: int | None = None
) -> list[int]:
    """Return the steps after which a run writes a checkpoint if the clock asks for one after a given step."""
    steps: list[int] = []

    def save(folder: Path, checkpoint: checkpoints.Checkpoint, previous: int | None) -> None:
        steps.append(checkpoint.state.step)
        checkpoints.save_checkpoint(folder, checkpoint, previous)

    class Pace(CheckpointPace):
        asked = 0

        @property
        def is_overdue(self) -> bool:
            self.asked += 1
            return self.asked == overdue_after

    with monkeypatch.context() as patch:
        patch.setattr(writer, "save_checkpoint", save)
        patch.setattr(loop, "CheckpointPace", Pace)
        recipe = with_changes(named_recipe("paper"), {**CHANGES, "checkpoint_every": every})
        resunit.train(recipe, out=out, quiet=True)
    return steps


def test_the_clock_decides_when_and_never_what(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert saved_steps(tmp_path / "end", monkeypatch, None) == [4]
    assert saved_steps(tmp_path / "clock", monkeypatch, 2) == [2, 4]
    assert saved_steps(tmp_path / "steps", monkeypatch, None, every=3) == [3, 4]
    weights = {(tmp_path / name / "weights.safetensors").read_bytes() for name in ("end", "clock", "steps")}
    assert len(weights) == 1
