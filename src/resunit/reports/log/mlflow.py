"""A log as a run in a database of MLflow, which `mlflow ui` shows."""

import logging
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from resunit.io.atomic import make_folder
from resunit.io.extras import import_extra
from resunit.io.format import format_field_value
from resunit.reports.log.scalars import count_kept, name_scalars, time_of
from resunit.runs.schema import LogLine

EXPERIMENT = "resunit"
METRICS_AT_ONCE = 1000  # MLflow refuses more.


class MlflowDatabase:
    """A run in the file mlflow.db of a folder.

    A metric cannot be taken back. Where a resumed run has written lines again, the run is deleted and made anew.

    Args:
        path: the folder, which is made if there is none; further runs may stand in its database.
        name: the name of the run.
        recipe: the recipe of the run, whose fields become its parameters.
        started: the time in UTC at which the run began, as ISO 8601 writes it.

    Raises:
        UsageError: the package mlflow is not installed.
        WriteError: the folder cannot be written.
    """

    def __init__(self, path: Path, name: str, recipe: Mapping[str, Any], started: str | None):
        import_extra("mlflow", "log", "--to mlflow")
        from mlflow import MlflowClient

        for library in ("mlflow", "alembic"):  # They log every table that they make.
            logging.getLogger(library).setLevel(logging.WARNING)
        make_folder(path)
        self.name, self.recipe, self.started = name, recipe, started
        self._client = MlflowClient(tracking_uri=f"sqlite:///{path.absolute() / 'mlflow.db'}")
        experiment = self._client.get_experiment_by_name(EXPERIMENT)
        self._experiment = experiment.experiment_id if experiment else self._create_experiment(path)
        self._written: list[LogLine] = []
        self._run = self._begin()

    def write(self, lines: Sequence[LogLine]) -> None:
        """Log what is new in these lines."""
        from mlflow.entities import Metric

        kept = count_kept(self._written, lines)
        if kept < len(self._written):
            self._client.delete_run(self._run)
            self._run, kept = self._begin(), 0
        metrics = [
            Metric(name, value, round(1000 * (time_of(line, self.started) or time.time())), line.step)
            for line in lines[kept:]
            for name, value in name_scalars(line).items()
        ]
        for start in range(0, len(metrics), METRICS_AT_ONCE):
            self._client.log_batch(self._run, metrics=metrics[start : start + METRICS_AT_ONCE])
        self._written = list(lines)

    def close(self) -> None:
        """Mark the run as finished."""
        self._client.set_terminated(self._run)

    def _create_experiment(self, path: Path) -> str:
        return self._client.create_experiment(
            EXPERIMENT, artifact_location=(path.absolute() / "artifacts").as_uri()
        )

    def _begin(self) -> str:
        from mlflow.entities import Param

        run = self._client.create_run(self._experiment, run_name=self.name)
        params = [Param(name, format_field_value(value)) for name, value in self.recipe.items()]
        self._client.log_batch(run.info.run_id, params=params)
        return run.info.run_id
