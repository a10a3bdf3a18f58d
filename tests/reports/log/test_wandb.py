"""The offline run is read back record by record, with the messages of wandb's own protocol."""

import json
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest
from wandb.proto.wandb_internal_pb2 import Record  # pyright: ignore[reportAttributeAccessIssue]

from resunit.reports.log.wandb import WandbFolder
from tests.reports.log.logs import make_line
from tests.reports.run_records import RECIPE

BLOCK, HEADER = 32 * 1024, 7


def read_records(path: Path) -> Iterator[Record]:
    """The records of a LevelDB log behind 7 bytes of its own: each part has a checksum, a length and a kind."""
    content, place, parts = path.read_bytes(), HEADER, b""
    while place + HEADER <= len(content):
        if BLOCK - place % BLOCK < HEADER:
            place += BLOCK - place % BLOCK
            continue
        _, length, kind = struct.unpack_from("<IHB", content, place)
        parts += content[place + HEADER : place + HEADER + length]
        place += HEADER + length
        if kind in (1, 4):  # a whole record, or the last part of one
            yield Record.FromString(parts)
            parts = b""


def read_history(folder: Path) -> list[dict[str, float]]:
    (path,) = folder.glob("wandb/offline-run-*/run-*.wandb")
    return [
        {item.key or ".".join(item.nested_key): json.loads(item.value_json) for item in record.history.item}
        for record in read_records(path)
        if record.WhichOneof("record_type") == "history"
    ]


@pytest.fixture(autouse=True)
def without_reports_of_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_ERROR_REPORTING", "false")


def test_every_number_is_there_at_its_step(tmp_path: Path) -> None:
    lines = [make_line(2), make_line(3), make_line(8)]
    folder = WandbFolder(tmp_path, "mine", RECIPE)
    folder.write(lines[:1])
    folder.write(lines)
    folder.close()
    history = read_history(tmp_path)
    assert [entry["_step"] for entry in history] == [2, 3, 8]
    assert [entry["error/test"] for entry in history] == pytest.approx([line.error for line in lines])
    assert [entry["loss/train"] for entry in history] == pytest.approx([line.train_loss for line in lines])
    (path,) = tmp_path.glob("wandb/offline-run-*/run-*.wandb")
    (run,) = (found.run for found in read_records(path) if found.WhichOneof("record_type") == "run")
    assert (run.display_name, run.project) == ("mine", "resunit")
    config = {item.key: json.loads(item.value_json) for item in run.config.update}
    assert config["learning_rate"] == RECIPE["learning_rate"]


def test_lines_that_a_resumed_run_writes_again_replace_the_old_ones(tmp_path: Path) -> None:
    folder = WandbFolder(tmp_path, "mine", RECIPE)
    folder.write([make_line(1), make_line(2), make_line(3)])
    folder.write([make_line(1), make_line(2, error=7.0)])
    folder.close()
    assert [(entry["_step"], entry["error/test"]) for entry in read_history(tmp_path)] == [(1, 80), (2, 7)]
