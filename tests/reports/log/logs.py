"""The folder of a run whose log grows, as the training loop writes it."""

from pathlib import Path

from resunit.runs.folder import RunFolder
from resunit.runs.schema import LogLine
from tests.reports.run_records import ENVIRONMENT, RECIPE, RESULT


def begin_run(path: Path) -> RunFolder:
    path.mkdir()
    run = RunFolder(path)
    run.write_recipe(RECIPE)
    run.write_environment(ENVIRONMENT)
    return run


def make_line(step: int, error: float | None = None) -> LogLine:
    return LogLine(
        step=step,
        epoch=step / 10,
        train_loss=1 / step,
        train_error=50.0 / step,
        split="test",
        loss=2 / step,
        error=80.0 / step if error is None else error,
        images=100,
        learning_rate=0.1,
        images_per_second=None,
        seconds=2.0 * step,
    )


def end_run(run: RunFolder) -> None:
    run.write_result(RESULT)
