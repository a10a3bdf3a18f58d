"""A log as a run of Weights & Biases on this machine, which `wandb sync` sends to a server."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from resunit.io.atomic import make_folder
from resunit.io.extras import import_extra
from resunit.reports.log.scalars import count_kept, name_scalars
from resunit.runs.schema import LogLine

if TYPE_CHECKING:
    from wandb import Run

PROJECT = "resunit"


class WandbFolder:
    """A folder with an offline run; nothing is sent anywhere.

    What was logged cannot be taken back. Where a resumed run has written lines again, the offline run is made anew.

    Args:
        path: the folder, which is made if there is none.
        name: the name of the run.
        recipe: the recipe of the run, which becomes its config.

    Raises:
        UsageError: the package wandb is not installed.
        WriteError: the folder cannot be written.
    """

    def __init__(self, path: Path, name: str, recipe: Mapping[str, Any]):
        self.path, self.name, self.recipe = path, name, recipe
        self._written: list[LogLine] = []
        self._run = self._begin()

    def write(self, lines: Sequence[LogLine]) -> None:
        """Log what is new in these lines."""
        kept = count_kept(self._written, lines)
        if kept < len(self._written):
            folder = Path(self._run.dir).parent
            self.close()
            shutil.rmtree(folder)
            self._run, kept = self._begin(), 0
        for line in lines[kept:]:
            self._run.log(name_scalars(line), step=line.step)
        self._written = list(lines)

    def close(self) -> None:
        """Finish the offline run, and wait until wandb's own process has written it."""
        import wandb

        self._run.finish()
        wandb.teardown()

    def _begin(self) -> Run:
        import_extra("wandb", "log", "--to wandb")
        import wandb

        make_folder(self.path)
        settings = wandb.Settings(
            silent=True, console="off", disable_git=True, disable_code=True, x_disable_stats=True
        )
        return wandb.init(
            project=PROJECT,
            name=self.name,
            dir=self.path,
            config=dict(self.recipe),
            mode="offline",
            reinit="create_new",
            settings=settings,
        )
