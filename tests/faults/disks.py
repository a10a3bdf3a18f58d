"""Disks that are full or fail while a checkpoint is written."""

import errno
import json
import os
from pathlib import Path
from shutil import rmtree

from tests.faults.disturbed import Ended, run
from tests.faults.figures import Figures
from tests.faults.small_runs import begin, bring_to_its_end, litter, problems_at_the_end, undisturbed
from tests.faults.stops import trace_of_saves
from tests.faults.storage import Storage, Strike, digests

FAILED = 1
SAVE = 3
"""The number of the save that fails; there are checkpoints before it."""
SPREAD = 64
"""A checkpoint of the same run may be so many bytes shorter, because it holds times."""
REFUSED = ("write", "open", "fsync", "replace")
"""The operations without which there is no new checkpoint. Deleting the older one may fail: it only costs space."""


def fill_the_disk(offsets: int, where: Path, resumed: int = 5) -> list[Figures]:
    """Let writing fail at some bytes of a checkpoint, spread from its first to its last one.

    Args:
        offsets: how many bytes are tried, for each error.
        where: a folder for the runs.
        resumed: every run of this number is brought to its end too.
    """
    expected, size = undisturbed(where), trace_of_saves(where).written[SAVE] - SPREAD
    found = []
    for error in (errno.ENOSPC, errno.EIO):
        figures = Figures(f"{os.strerror(error)} ({errno.errorcode[error]}) at a byte of a checkpoint")
        for number in range(offsets):
            offset = number * (size - 1) // max(1, offsets - 1)
            out = where / f"full-{error}-{offset}"
            ended = run(
                begin(out), where, Storage(Strike(SAVE, offset=offset, error=error), notes(out)).install
            )
            problems = problems_after_an_error(ended, out)
            if number % resumed == 0 and not problems:
                problems = problems_at_the_end(bring_to_its_end(out, begin(out), where), out, expected)
            figures.add(f"byte {offset}", problems)
            rmtree(out)
        found.append(figures)
    return found


def fail_at_every_operation(where: Path) -> list[Figures]:
    """Let each operation of a save fail once with EIO; the run ends in order, or goes on if nothing is lost."""
    expected, trace = undisturbed(where), trace_of_saves(where)
    figures = Figures("EIO at each open, write, fsync, rename and delete of a save")
    for operation, name in enumerate(trace.operations[SAVE]):
        out = where / f"failing-{operation}"
        strike = Strike(SAVE, operation=operation, error=errno.EIO)
        ended = run(begin(out), where, Storage(strike, notes(out)).install)
        problems = problems_after_an_error(ended, out) if name in REFUSED else []
        end = bring_to_its_end(out, begin(out), where) if name in REFUSED else ended
        figures.add(f"operation {operation} ({name})", problems or problems_at_the_end(end, out, expected))
        rmtree(out)
    return [figures]


def notes(out: Path) -> Path:
    return out.with_suffix(".digests")


def problems_after_an_error(ended: Ended, out: Path) -> list[str]:
    """Return what is wrong after a save that failed: its exit code, its message, or what stands on the disk."""
    problems = [] if ended.code == FAILED else [f"exit code {ended.code}"]
    lines = [line for line in ended.output.splitlines() if line.startswith("resunit: ")]
    if len(lines) != 1 or str(out) not in lines[0] or "unexpected" in lines[0]:
        problems.append(f"no line names the file: {ended.output}")
    before = json.loads(notes(out).read_text())
    after = digests(out / "checkpoints")
    problems += [f"{name} is not as it was" for name in before if after.get(name) != before[name]]
    return problems + [f"{name} is left" for name in litter(out)]
