"""The database is read back with MLflow's own client."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from resunit.reports.log.mlflow import MlflowDatabase
from tests.reports.log.logs import make_line
from tests.reports.run_records import RECIPE

if TYPE_CHECKING:  # Everyday tests are collected without this import, which takes seconds.
    from mlflow import MlflowClient
    from mlflow.entities import Run

# The first use of a database makes some 50 tables.
pytestmark = pytest.mark.full
STARTED = "2026-11-29T14:20:00+00:00"


def client_of(folder: Path) -> MlflowClient:
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=f"sqlite:///{folder / 'mlflow.db'}")


def read(folder: Path, name: str) -> tuple[Run, list[tuple[int, float]]]:
    client = client_of(folder)
    experiment = client.get_experiment_by_name("resunit")
    assert experiment is not None
    (run,) = client.search_runs([experiment.experiment_id])
    return run, [(found.step, found.value) for found in client.get_metric_history(run.info.run_id, name)]


def test_lines_are_metrics_and_what_a_resumed_run_writes_again_replaces_the_old_ones(tmp_path: Path) -> None:
    database = MlflowDatabase(tmp_path, "mine", RECIPE, STARTED)
    database.write([make_line(1), make_line(2)])
    database.write([make_line(1), make_line(2), make_line(3)])
    run, metrics = read(tmp_path, "error/test")
    assert metrics == [(1, 80.0), (2, 40.0), (3, make_line(3).error)]
    assert (run.info.run_name, run.data.params["learning_rate"]) == ("mine", "0.1")
    database.write([make_line(1), make_line(2, error=7.0)])
    database.close()
    run, metrics = read(tmp_path, "error/test")
    assert metrics == [(1, 80.0), (2, 7.0)]
    assert run.info.status == "FINISHED"
    client = client_of(tmp_path)
    first, second = client.get_metric_history(run.info.run_id, "loss/test")
    assert second.timestamp - first.timestamp == 2000
    again = MlflowDatabase(tmp_path, "other", RECIPE, STARTED)
    again.close()
