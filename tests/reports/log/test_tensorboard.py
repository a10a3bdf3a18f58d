"""The events are read back with TensorBoard's own reader."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from resunit.reports.log.tensorboard import TensorBoardFolder
from resunit.runs.schema import LogLine
from tests.reports.log.logs import make_line

STARTED = "2026-11-29T14:20:00+00:00"


def read(folder: Path, name: str) -> list[tuple[int, float]]:
    events = EventAccumulator(str(folder))
    events.Reload()
    return [(event.step, event.value) for event in events.Scalars(name)]


def test_every_number_is_there_at_its_step_and_its_time(tmp_path: Path) -> None:
    lines = [make_line(1), make_line(2), make_line(4)]
    board = TensorBoardFolder(tmp_path, STARTED)
    board.write(lines[:1])
    board.write(lines)
    board.close()
    events = EventAccumulator(str(tmp_path))
    events.Reload()
    assert set(events.Tags()["scalars"]) == {
        "loss/train", "loss/test", "error/train", "error/test", "learning_rate", "epoch",
    }  # fmt: skip
    for name, values in (
        ("error/test", [line.error for line in lines]),
        ("loss/train", [line.train_loss for line in lines]),
    ):
        assert [event.step for event in events.Scalars(name)] == [1, 2, 4]
        assert [event.value for event in events.Scalars(name)] == pytest.approx(values)
    start = datetime(2026, 11, 29, 14, 20, tzinfo=UTC).timestamp()
    assert [event.wall_time - start for event in events.Scalars("epoch")] == [2.0, 4.0, 8.0]


def test_lines_that_a_resumed_run_writes_again_replace_the_old_ones(tmp_path: Path) -> None:
    board = TensorBoardFolder(tmp_path, STARTED)
    board.write([make_line(1), make_line(2), make_line(3)])
    board.write([make_line(1)])
    board.write([make_line(1), make_line(2, error=7.0)])
    board.close()
    assert read(tmp_path, "error/test") == [(1, 80.0), (2, 7.0)]


def test_a_second_call_adds_nothing_twice(tmp_path: Path) -> None:
    lines: list[LogLine] = [make_line(1), make_line(2)]
    for _ in range(2):
        board = TensorBoardFolder(tmp_path, None)
        board.write(lines)
        board.close()
    assert read(tmp_path, "error/test") == [(1, 80.0), (2, 40.0)]
