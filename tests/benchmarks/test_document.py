"""docs/performance.md holds the newest numbers and the notes, and equal records give equal bytes."""

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.document import write_document
from benchmarks.records import (
    Axis,
    BenchmarkRecord,
    Details,
    Measurement,
    Settings,
    describe_benchmark_machine,
    path_of,
)
from resunit.errors import UsageError
from resunit.runs import record_files

OLDER, NEWER = "2026-01-01T00:00:00+00:00", "2026-01-02T00:00:00+00:00"


def write_records(folder: Path, started: str, measurements: list[Measurement]) -> None:
    records = [
        BenchmarkRecord(started, describe_benchmark_machine(), measurement) for measurement in measurements
    ]
    record_files.append_records(path_of(folder, measurements[0].subject), records)


def step(entry: str, *seconds: float) -> Measurement:
    settings, details = (
        Settings(batch_size=128, image_size=32, threads=2),
        Details(memory=1 << 20, precision="bf16"),
    )
    return Measurement("train", entry, seconds, 128, "images", "preresnet20", settings, details)


def swept(axis: Axis, value: int, entry: str, seconds: float) -> Measurement:
    settings, details = Settings(batch_size=32, axis=axis, value=value), Details(memory=1_000_000 * value)
    return Measurement("sweep", entry, (seconds, 2 * seconds), 32, "images", "preresnet20", settings, details)


def test_the_document_holds_the_newest_numbers_and_the_notes(tmp_path: Path) -> None:
    records, docs = tmp_path / "results", tmp_path / "docs"
    write_records(records, OLDER, [step("resunit", 9.0), step("pytorchcv best", 9.0)])
    write_records(records, NEWER, [step("resunit", 1.0, 2.0), step("pytorchcv best", 1.5, 2.6)])
    axes: tuple[Axis, ...] = ("depth", "width", "batch", "threads")
    entries = ("resunit", "pytorchcv best", "pytorchcv default", "convolutions alone")
    sweep = [
        swept(axis, value, entry, 0.1 * number)
        for axis in axes
        for value in (1, 2)
        for number, entry in enumerate(entries, 1)
    ]
    write_records(records, NEWER, sweep)
    docs.mkdir()
    (docs / "performance.notes.md").write_text("## What was tried\n\nWritten by hand.\n")
    text = write_document(records, docs).read_text()
    assert "| 1.4 x | 1.3 – 1.5 | at least 1.15 x | met |" in text
    assert NEWER in text
    assert OLDER not in text
    assert text.endswith("Written by hand.\n")
    picture = (docs / "performance.svg").read_text()
    assert len(picture) < 300_000
    again = write_document(records, docs).read_text()
    assert (again, (docs / "performance.svg").read_text()) == (text, picture)


def test_each_kind_of_processor_has_its_own_newest_numbers(tmp_path: Path) -> None:
    records, docs = tmp_path / "results", tmp_path / "docs"
    for kind, started, seconds in (("AVX512", OLDER, 9.0), ("AVX2", NEWER, 2.0), ("AVX512", NEWER, 1.0)):
        machine = replace(describe_benchmark_machine(), cpu_capability=kind)
        record_files.append_records(
            path_of(records, "train"), [BenchmarkRecord(started, machine, step("resunit", seconds))]
        )
    text = write_document(records, docs).read_text()
    assert text.index("## A training step, AVX512") < text.index("## A training step, AVX2")
    assert [rate in text for rate in ("| 128 images/s |", "| 64 images/s |", "| 14.2 images/s |")] == [
        True,
        True,
        False,
    ]


def test_a_document_needs_measurements(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=str(tmp_path)):
        write_document(tmp_path, tmp_path / "docs")
    assert not (tmp_path / "docs").exists()


def test_the_committed_page_is_what_the_committed_records_give(tmp_path: Path) -> None:
    root = Path(__file__).parents[2]
    (tmp_path / "performance.notes.md").write_text((root / "docs" / "performance.notes.md").read_text())
    assert (
        write_document(root / "results", tmp_path).read_text()
        == (root / "docs" / "performance.md").read_text()
    )
