"""Processes that are killed: at random moments, within saves, and at every operation of a save."""

import random
import time
from pathlib import Path
from shutil import rmtree

from tests.faults.disturbed import run, start
from tests.faults.figures import Figures
from tests.faults.small_runs import SMALL, begin, bring_to_its_end, problems_at_the_end, undisturbed
from tests.faults.storage import Storage, Strike, Trace


def kill_at_random(count: int, seed: int, where: Path) -> list[Figures]:
    """Kill a run's process group with SIGKILL, every other time within a save, and bring the run to its end."""
    expected, moments = undisturbed(where), random.Random(seed)
    trace, whole = trace_of_saves(where), seconds_of_a_run(where)
    inside, anywhere = Figures("SIGKILL inside a save"), Figures("SIGKILL at a random moment")
    for trial in range(count):
        out = where / f"killed-{trial}"
        if trial % 2 == 0:
            save = moments.randrange(len(trace.operations))
            strike = Strike(save, operation=moments.randrange(len(trace.operations[save])))
            ended, figures = run(begin(out), where, Storage(strike).install), inside
            case = str(strike)
        else:
            ended, case, figures = None, "", anywhere
            seconds = moments.uniform(0, whole)
            while ended is None or not ended.was_killed:  # A run that had ended before begins once more.
                rmtree(out, ignore_errors=True)
                ended = start(begin(out), where).ended(kill_after=seconds)
                case, seconds = f"after {seconds:.3f} s", seconds / 2
        problems = [] if ended.was_killed else [f"was not killed: {ended.output}"]
        end = bring_to_its_end(out, begin(out), where)
        figures.add(case, problems or problems_at_the_end(end, out, expected))
        rmtree(out)
    return [inside, anywhere]


def kill_at_every_operation(
    where: Path, saves: tuple[int, ...], *, power_fails: bool = False
) -> list[Figures]:
    """Kill a run before each operation of some saves, once for each operation, and bring it to its end.

    Args:
        where: a folder for the runs.
        saves: the numbers of the saves.
        power_fails: whether what was not flushed to disk is lost.
    """
    expected, trace = undisturbed(where), trace_of_saves(where)
    kind = "power cut, unflushed data lost," if power_fails else "SIGKILL"
    figures = Figures(f"{kind} before each open, write, fsync, rename and delete of a save")
    for save in saves:
        for operation, name in enumerate(trace.operations[save]):
            out = where / f"stopped-{save}-{operation}"
            ended = run(
                begin(out), where, Storage(Strike(save, operation=operation, power_fails=power_fails)).install
            )
            problems = [] if ended.was_killed else [f"was not killed: {ended.output}"]
            end = bring_to_its_end(out, begin(out), where)
            figures.add(
                f"save {save}, operation {operation} ({name})",
                problems or problems_at_the_end(end, out, expected),
            )
            rmtree(out)
    return [figures]


def seconds_of_a_run(where: Path) -> float:
    """Return how long a small run takes at present."""
    out, since = where / "timed", time.monotonic()
    assert run(begin(out), where).code == 0
    rmtree(out)
    return time.monotonic() - since


def trace_of_saves(where: Path) -> Trace:
    """Return the operations of each save of a small run, as they were counted."""
    notes = where / "trace.json"
    if not notes.exists():
        assert run(begin(where / "traced"), where, Storage(notes=notes).install).code == 0
    trace = Trace.read(notes)
    assert len(trace.operations) == SMALL["steps"]
    assert {"open", "write", "fsync", "replace"} <= set(trace.operations[0])
    return trace
