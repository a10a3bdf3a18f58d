"""`resunit log`: the log of a run for other tools."""

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from resunit.cli.app import COMMON, STOPPED, Common, answer, app, fail, tell
from resunit.io.format import format_count
from resunit.reports.log.destination import LogForm, open_destination
from resunit.reports.log.following import follow_log, read_growing_log, state_of, wait_for_run
from resunit.runs.folder import RunFolder, resume_command


@app.command(
    help_epilogue="Examples:\n"
    "  resunit log runs/quick-1 --to csv --out log.csv\n"
    "  resunit log runs/quick-1 --to tensorboard --out events/quick-1 --follow"
)
def log(
    run: Path,
    *,
    to: LogForm = "csv",
    out: Path,
    follow: Annotated[bool, Parameter(negative="")] = False,
    common: Common = COMMON,
) -> int:
    """Write the log of a run in the form of another tool.

    Args:
        run: The folder of a run, which may still train.
        to: The form: csv is a file with a line for each evaluation, tensorboard a folder of event files,
            wandb a folder with an offline run, and mlflow a folder with a database.
        out: The file or folder to write.
        follow: Go on while the run trains, and end when it does. Wait for a run that has not begun yet.
    """
    folder = RunFolder(run)
    if follow and not folder.recipe.exists() and not run.is_file():
        tell(f"{run}: no run has begun there yet; this command waits for it", sys.stderr)
        wait_for_run(folder)
    folder.read_recipe()  # It raises RunError if there is no run.
    destination, lines = open_destination(to, out, folder), []
    try:
        for lines in follow_log(folder) if follow else [read_growing_log(folder)]:
            destination.write(lines)
    except KeyboardInterrupt:
        return fail(f"interrupted; {out} has {format_count(len(lines), 'line')} of the log so far", STOPPED)
    finally:
        destination.close()
    if follow and (end := _early_end(folder)) is not None:
        tell(f"{run}: the run was {end}; go on with: {resume_command(run)}", sys.stderr)
    told = f"{out}: {format_count(len(lines), 'line')} of the log"
    return answer(common, {"out": str(out), "lines": len(lines)}, told)


def _early_end(folder: RunFolder) -> str | None:
    """Return "killed" or "stopped" if the run ended before its last step and can go on, else None."""
    if state_of(folder) == "killed":
        return "killed"
    result = folder.read_result()
    return "stopped" if result is not None and result.status == "stopped" else None
