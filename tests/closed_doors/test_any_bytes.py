"""Readers meet any bytes with one of resunit's own errors, and never with another exception."""

import json
import struct
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from resunit.data.cifar.containers.pickles import unpickle
from resunit.data.cifar.sample import SAMPLE
from resunit.data.cifar.storage import read_stored
from resunit.errors import CutOffRecord, FileFormatError, ResunitError
from resunit.interop.foreign_file import read_foreign
from resunit.io.json_text import parse_json
from resunit.io.tensors import read_tensors
from resunit.models.weights import KIND, read_weights
from resunit.runs.record_files import read_all, typed_record
from resunit.runs.schema import Environment, Evaluation, LogLine, PropagationLine, RunResult
from resunit.training.recipe import read_recipe, recipe_from_json
from tests.faults.small_runs import plain_run

# No example is timed, and each begins with the same random numbers, so that a run of the tests is repeatable.
SLOW = [
    HealthCheck.too_slow,
    HealthCheck.data_too_large,
    HealthCheck.filter_too_much,
    HealthCheck.large_base_example,
]
REPEATABLE = settings(
    max_examples=40, deadline=None, derandomize=True, database=None, suppress_health_check=SLOW
)

JSON = some.recursive(
    some.none() | some.booleans() | some.integers() | some.floats() | some.text(max_size=8),
    lambda parts: some.lists(parts, max_size=3) | some.dictionaries(some.text(max_size=8), parts, max_size=3),
    max_leaves=8,
)
RECORDS = (RunResult, Environment, Evaluation, LogLine, PropagationLine)


def refusal_of(work: Callable[[], object]) -> str | None:
    """Return the message of the error of resunit's own that some work raises, and None if it raises nothing."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CutOffRecord)
        try:
            work()
        except ResunitError as error:
            return str(error)
    return None


def read_bytes(reader: Callable[[Path], object], content: bytes, name: str) -> None:
    """Give a reader a file with this content; a refusal names the file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(content)
        refusal = refusal_of(lambda: reader(path))
        assert refusal is None or str(path) in refusal


@given(some.binary(max_size=200))
@REPEATABLE
def test_any_bytes_as_a_file(content: bytes) -> None:
    read_bytes(lambda path: read_tensors(path, KIND), content, "weights.safetensors")
    read_bytes(read_foreign, content, "weights.pth")
    read_bytes(lambda path: read_all(LogLine, path), content, "log.jsonl")
    read_bytes(read_recipe, content, "recipe.json")


@given(JSON, some.integers(0, 2**64 - 1) | some.none(), some.binary(max_size=32))
@REPEATABLE
def test_any_header_of_safetensors(header: Any, length: int | None, data: bytes) -> None:
    text = json.dumps({"w": header, "__metadata__": {KIND: json.dumps(header)}}).encode()
    content = struct.pack("<Q", len(text) if length is None else length) + text + data
    read_bytes(read_weights, content, "weights.safetensors")
    read_bytes(read_foreign, content, "weights.safetensors")


@given(some.integers(0, 2**32), some.integers(0, 255), some.integers(0, 2**32) | some.none())
@REPEATABLE
def test_any_changed_byte_of_weights(place: int, byte: int, end: int | None) -> None:
    content = (plain_run() / "weights.safetensors").read_bytes()
    place %= len(content)
    changed = content[:place] + bytes([byte]) + content[place + 1 :]
    changed = changed[: None if end is None else end % len(content)]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "weights.safetensors"
        path.write_bytes(changed)
        if changed != content:
            with pytest.raises(FileFormatError, match=path.name):
                read_weights(path)


@given(some.sampled_from(RECORDS), some.dictionaries(some.text(max_size=12), JSON, max_size=6), some.data())
@REPEATABLE
def test_any_object_as_a_record(record: Any, fields: dict[str, Any], data: some.DataObject) -> None:
    known = some.sampled_from(list(record.__dataclass_fields__))
    fields |= data.draw(some.dictionaries(known, JSON, max_size=4))
    refusal = refusal_of(lambda: typed_record(record, fields, "record.json"))
    assert refusal is None or refusal.startswith("record.json")


@given(some.dictionaries(some.text(max_size=12), JSON, max_size=6), some.data())
@REPEATABLE
def test_any_object_as_a_recipe(fields: dict[str, Any], data: some.DataObject) -> None:
    sound = json.loads((plain_run() / "recipe.json").read_text())
    changed = data.draw(some.dictionaries(some.sampled_from(list(sound)), JSON, max_size=3))
    refusal = refusal_of(lambda: recipe_from_json({**sound, **fields, **changed}))
    assert refusal is None or refusal


@given(some.binary(max_size=200) | some.text(max_size=50).map(str.encode))
@REPEATABLE
def test_any_text_as_json(content: bytes) -> None:
    try:
        parse_json(content)
    except ValueError:
        return


@given(some.binary(max_size=100))
@REPEATABLE
def test_any_bytes_as_a_pickle_of_cifar(content: bytes) -> None:
    for pickled in (content, b"\x80\x02" + content):
        refusal = refusal_of(lambda pickled=pickled: unpickle(pickled, "data_batch_1"))
        assert refusal is None or refusal.startswith("data_batch_1")


@given(some.binary(max_size=64), some.dictionaries(some.text(max_size=8), JSON, max_size=4))
@REPEATABLE
def test_any_stored_data_set(content: bytes, manifest: dict[str, Any]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for name in SAMPLE.files:
            (Path(folder) / name).write_bytes(content)
        sound = {"format": 1, "source": "", "sha256": dict.fromkeys(SAMPLE.files, "0")}
        for text in (json.dumps(manifest), json.dumps({**sound, **manifest})):
            (Path(folder) / "manifest.json").write_text(text)
            assert folder in (refusal_of(lambda: read_stored(Path(folder), SAMPLE)) or "")
