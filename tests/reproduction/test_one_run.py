"""A run beside others: whose folder it waits for, what memory is its share, what it was judged on."""

import json
import time
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from resunit.errors import FileFormatError
from resunit.io.atomic import only_user_of
from resunit.reproduction.evidence.records import read_records, records_path
from resunit.reproduction.evidence.run_record import record_without_results
from resunit.reproduction.experiments.experiment import Experiment, plan_experiments
from resunit.reproduction.paper.tables import TABLES
from resunit.reproduction.running import one_run
from resunit.reproduction.running.one_run import perform, wait_until_free
from resunit.reproduction.running.runner import LocalProcesses, perform_all
from resunit.runs.schema import ExperimentRecord
from resunit.training.devices import MEMORY, free_memory_of

FEW = TABLES["claims"]


def smoke(**changes: Any) -> list[Experiment]:
    rows = [row for row in FEW.rows if row.id == "20-original"]
    table = type(FEW)(FEW.title, tuple(rows))
    return plan_experiments("claims", table, scale="smoke", seeds=1, data=None, changes=changes)


def test_errors_are_those_of_the_images_that_the_run_was_judged_on(tmp_path: Path) -> None:
    """With images held out of training, or a folder that has val/, there is no test error."""
    (experiment,) = smoke(validation=100)
    experiment.store(tmp_path)
    record = perform(tmp_path)
    assert record is not None
    assert (record.status, record.split) == ("done", "validation")
    assert record.classes == 10
    assert record.test_loss is not None
    assert record.test_loss > 0
    assert [point.test_images for point in record.curve] == [16, 100]
    assert record.curve[-1].test_error == record.test_error


def test_a_run_of_somebody_elses_design_is_described_without_it() -> None:
    (experiment,) = smoke()
    recipe = {**experiment.recipe, "design": "nowhere:Squeeze", "model_options": {"reduction": 4}}
    record = record_without_results(replace(experiment, recipe=recipe))
    assert (record.design, record.options) == ("nowhere:Squeeze", {"reduction": 4})


def test_an_experiment_of_format_1_is_read_with_its_old_names(tmp_path: Path) -> None:
    (experiment,) = smoke(ghost_batch_size=8)
    experiment.store(tmp_path)
    assert Experiment.read(tmp_path) == experiment
    path = tmp_path / "experiment.json"
    older = json.loads(path.read_text())
    del older["format"], older["recipe"]["format"], older["checksum"]
    older["recipe"]["group_size"] = older["recipe"].pop("ghost_batch_size")
    older["recipe"]["drops"] = older["recipe"].pop("milestones")
    path.write_text(json.dumps(older))
    assert Experiment.read(tmp_path) == experiment
    path.write_text(json.dumps({**older, "format": 3}))
    with pytest.raises(FileFormatError, match=r"experiment\.json"):
        Experiment.read(tmp_path)
    path.write_text(json.dumps({**older, "sead": 3}))
    with pytest.raises(FileFormatError, match="sead"):
        Experiment.read(tmp_path)


def test_a_run_waits_for_its_folder_however_long_it_takes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A step of 1001 layers, or their evaluation on 10,000 images, ends before a stopped process does."""
    (tmp_path / "run").mkdir()
    earlier = only_user_of(tmp_path / "run")
    earlier.__enter__()
    waits = []

    def an_hour(_seconds: float) -> None:
        waits.append(3600)
        if len(waits) == 3:
            earlier.__exit__(None, None, None)

    now = time.monotonic()
    monkeypatch.setattr(one_run.time, "sleep", an_hour)
    monkeypatch.setattr(one_run.time, "monotonic", lambda: now + sum(waits))
    wait_until_free(tmp_path)
    assert len(waits) == 3


def test_runs_beside_each_other_share_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    alone, two = LocalProcesses(1, 2**30), LocalProcesses(2, 2**30)
    assert alone.memory is None
    assert two.memory == 2**29
    monkeypatch.setenv(MEMORY, str(2**20))
    assert free_memory_of(torch.device("cpu")) == 2**20


class AlwaysStopped:
    """An executor on machines that are drained again and again."""

    def __init__(self) -> None:
        self.submitted: list[tuple[str, Path]] = []

    def submit(self, experiment: Experiment, folder: Path) -> Future[ExperimentRecord | None]:
        self.submitted.append((experiment.row, folder))
        future: Future[ExperimentRecord | None] = Future()
        future.set_result(None)
        return future

    def close(self) -> None:
        pass


class NoBoard:
    def update(self, running: Sequence[Experiment]) -> None:
        pass

    def add(self, record: ExperimentRecord) -> None:
        pass


def test_a_run_that_is_stopped_again_has_failed(tmp_path: Path) -> None:
    executor = AlwaysStopped()
    perform_all(smoke(), tmp_path, "smoke", executor, NoBoard())
    (record,) = read_records(records_path(tmp_path, "smoke"))
    assert (record.status, record.error) == ("failed", "stopped twice by another process")
    assert len(executor.submitted) == 2
