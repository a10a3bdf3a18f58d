"""Records of benchmarks are read for ever: older formats are upgraded, newer ones and damaged ones are refused."""

import json
from pathlib import Path

import pytest

from benchmarks.recipe_runs import read_runs
from benchmarks.records import (
    BenchmarkMachine,
    BenchmarkRecord,
    Details,
    Measurement,
    SeedErrors,
    Settings,
    describe_benchmark_machine,
    path_of,
    read_newest_records,
    read_records,
)
from resunit.errors import CutOffRecord, FileFormatError
from resunit.io.jsonl import append_lines
from resunit.runs import record_files
from resunit.runs.recipe_run import RecipeRun
from tests.benchmarks.examples import recipe_run
from tools.migrate_records import migrate_benchmarks, numbers_in

RESULTS = Path(__file__).parents[2] / "results"

MACHINE = {
    "resunit": "0.1.0", "commit": "8ca2906+", "python": "3.11.7", "torch": "2.14.1+cu130", "torchvision": "0.29.1",
    "numpy": "2.4.6", "machine": "Linux x86_64", "processor": "P", "cpu_capability": "AVX512",
    "batch_norm": "compiled", "threads": 2, "cores": 2, "OMP_NUM_THREADS": "2",
}  # fmt: skip
STEP_OF_FORMAT_1 = {
    "run": "2026-11-25T01:57:43+00:00", "machine": MACHINE, "subject": "train", "contestant": "resunit",
    "seconds": [0.25, 1], "work": 128, "unit": "images", "network": "preresnet20",
    "settings": {"batch_size": 128, "image_size": 32, "threads": 2, "beside": "pytorchcv"},
    "details": {"precision": "bf16", "stored": "fast", "parameters": 272282, "memory": 1048576, "units": 9},
}  # fmt: skip
ACCURACY_OF_FORMAT_1 = {
    "run": "2026-11-25T01:58:13+00:00", "machine": MACHINE, "subject": "accuracy", "contestant": "quick",
    "seconds": [], "work": 99797184000000, "unit": "FLOP", "network": "preresnet10-quick", "settings": {},
    "details": {
        "seeds": [0], "test_errors": [8.98], "mirrored_views": [8.06], "augmented_views": [7.79], "commit": "c",
    },
}  # fmt: skip
RUN_OF_FORMAT_1 = {
    "table": "quick", "row": "quick", "options": {}, "scale": "full", "model": "preresnet10-quick",
    "design": "full-preactivation", "steps": 2400, "precision": "bf16", "seed": 1, "test_error": 8.41,
    "best_test_error": 8.4, "test_error_mirrored_views": 7.8, "test_error_augmented_views": 7.57,
    "status": "done", "train_flops": 99797184000000, "evaluation_flops": 12840526080000, "wall_seconds": None,
    "batch_size": 250, "train_loss": 0.3257, "alone": False, "machine": "P, 1 threads, Linux x86_64",
    "version": "0.1.0", "commit": "795e782",
    "recipe": {
        "name": "quick", "model": "preresnet10-quick", "learning_rate": 0.1, "weight_decay": 0.0005,
        "schedule": "linear", "epochs": 12, "scales": [0.75], "scale_ends": [0.5], "memory": "fast",
    },
}  # fmt: skip


def test_a_record_that_is_written_is_read_again(tmp_path: Path) -> None:
    details = Details(precision="fp32", accuracy=SeedErrors((0,), (8.0,), (7.5,), (7.0,), None))
    measurement = Measurement(
        "train", "resunit", (1.0, 2.0), 128, "images", settings=Settings(1, 32), details=details
    )
    record = BenchmarkRecord("2026-11-25T01:58:13+00:00", describe_benchmark_machine(), measurement)
    record_files.append_records(path_of(tmp_path, "train"), [record])
    assert read_records(path_of(tmp_path, "train")) == [record]
    assert json.loads(path_of(tmp_path, "train").read_text())["format"] == BenchmarkRecord.FORMAT


def test_measurements_of_format_1_are_upgraded(tmp_path: Path) -> None:
    append_lines(tmp_path / "bench-x.jsonl", [STEP_OF_FORMAT_1, ACCURACY_OF_FORMAT_1])
    step, accuracy = read_records(tmp_path / "bench-x.jsonl")
    machine = {name: value for name, value in MACHINE.items() if name != "OMP_NUM_THREADS"}
    assert step.started == "2026-11-25T01:57:43+00:00"
    assert step.machine == BenchmarkMachine(**machine, omp_num_threads="2")
    assert step.measurement == Measurement(
        "train",
        "resunit",
        (0.25, 1.0),
        128,
        "images",
        "preresnet20",
        Settings(128, 32, 2, "pytorchcv"),
        Details(
            precision="bf16", activation_checkpointing="fast", parameters=272282, memory=1048576, units=9
        ),
    )
    assert accuracy.measurement.details.accuracy == SeedErrors((0,), (8.98,), (8.06,), (7.79,), "c")


def test_runs_of_format_1_are_upgraded_with_their_recipes(tmp_path: Path) -> None:
    append_lines(tmp_path / "quick.jsonl", [RUN_OF_FORMAT_1])
    (run,) = read_runs(tmp_path / "quick.jsonl")
    assert (run.name, run.seed, run.resunit, run.alone) == ("quick", 1, "0.1.0", False)
    errors = (run.test_error, run.best_test_error, run.mirror_error, run.tta_error)
    assert errors == (8.41, 8.4, 7.8, 7.57)
    assert run.recipe["resize_scales"] == [0.75]
    assert run.recipe["activation_checkpointing"] == "fast"
    assert "seed" not in run.recipe


@pytest.mark.parametrize("line", [{"format": 3}, {"format": 2}, {"run": "2026-11-25"}])
def test_a_newer_or_damaged_line_is_refused_by_file_and_line(tmp_path: Path, line: dict[str, object]) -> None:
    measurements, runs = tmp_path / "bench-train.jsonl", tmp_path / "quick.jsonl"
    append_lines(measurements, [STEP_OF_FORMAT_1, line])
    append_lines(runs, [RUN_OF_FORMAT_1, line])
    with pytest.raises(FileFormatError, match=r"bench-train\.jsonl, line 2"):
        read_records(measurements)
    with pytest.raises(FileFormatError, match=r"quick\.jsonl, line 2"):
        read_runs(runs)


def test_a_line_that_was_cut_off_is_dropped_and_not_glued_to_the_next(tmp_path: Path) -> None:
    path = path_of(tmp_path, "train")
    measurement = Measurement("train", "resunit", (1.0,), 128, "images")
    first, second = (BenchmarkRecord(time, describe_benchmark_machine(), measurement) for time in ("a", "b"))
    record_files.append_records(path, [first])
    path.write_text(path.read_text() + '{"started": "c", "mach')
    with pytest.warns(CutOffRecord):
        assert [*read_newest_records(tmp_path, "train").values()] == [[first]]
    record_files.append_records(path, [second])
    assert read_records(path) == [first, second]
    assert [*read_newest_records(tmp_path, "train").values()] == [[second]]


def test_migrating_keeps_every_number_and_changes_nothing_the_second_time(tmp_path: Path) -> None:
    append_lines(tmp_path / "bench-train.jsonl", [STEP_OF_FORMAT_1])
    append_lines(tmp_path / "quick.jsonl", [RUN_OF_FORMAT_1])
    before = read_records(tmp_path / "bench-train.jsonl"), read_runs(tmp_path / "quick.jsonl")
    assert migrate_benchmarks(tmp_path) == [tmp_path / "bench-train.jsonl", tmp_path / "quick.jsonl"]
    assert (read_records(tmp_path / "bench-train.jsonl"), read_runs(tmp_path / "quick.jsonl")) == before
    assert migrate_benchmarks(tmp_path) == []


def test_the_number_of_an_older_format_is_no_number_that_migrating_must_keep() -> None:
    assert list(numbers_in({"format": 1, "seeds": [2], "recipe": {"format": 3, "epochs": 4.5}})) == [2, 4.5]


def test_the_committed_records_are_of_the_newest_format() -> None:
    files = [*RESULTS.glob("bench-*.jsonl"), RESULTS / "quick.jsonl", RESULTS / "fast94.jsonl"]
    assert len(files) >= 10
    for path in files:
        newest = BenchmarkRecord.FORMAT if path.name.startswith("bench-") else RecipeRun.FORMAT
        assert {json.loads(line)["format"] for line in path.read_text().splitlines()} == {newest}


def test_a_run_of_a_recipe_that_is_written_is_read_again(tmp_path: Path) -> None:
    run = recipe_run(seed=3)
    record_files.append_records(tmp_path / "quick.jsonl", [run])
    assert read_runs(tmp_path / "quick.jsonl") == [run]
