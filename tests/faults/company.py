"""Two processes at once, and processes that are killed and started again many times."""

import os
import time
from functools import partial
from multiprocessing.connection import wait
from pathlib import Path
from shutil import rmtree

import psutil

from resunit.training import writer
from tests.data.photographs import write_photographs
from tests.faults.disturbed import Ended, Started, run, start
from tests.faults.figures import Figures
from tests.faults.resumption import Both, decode_in_two_processes
from tests.faults.small_runs import begin, go_on, problems_at_the_end, undisturbed
from tests.faults.storage import Storage, Strike
from tests.training.command_lines import Value

SECONDS_FOR_AN_END = 60


def hold_at_first_save(release: Path) -> None:
    """Let this process wait in its first save until the file `release` is there."""
    save = writer.save_checkpoint

    def held(*arguments: object, **named: object) -> None:
        while not release.exists():
            time.sleep(0.005)
        save(*arguments, **named)  # pyright: ignore[reportArgumentType]

    writer.save_checkpoint = held


def end_of_both(pair: list[Started], release: Path) -> tuple[Ended, Ended]:
    """Return the end of the process that ends first, and that of the other, which is held until then."""
    has_ended = wait([each.process.sentinel for each in pair])
    first, other = sorted(pair, key=lambda each: each.process.sentinel not in has_ended)
    refused = first.ended()
    release.touch()
    return refused, other.ended()


def two_at_once(count: int, where: Path) -> list[Figures]:
    """Start two processes on one run, to resume it or to begin it: one trains, and the other says so and ends.

    Two that begin without a name for their folder both train.
    """
    expected = undisturbed(where)
    resumed = Figures("two processes resume one run: one trains, one is refused")
    begun = Figures("two processes begin in one folder: one trains, one is refused")
    apart = Figures("two runs begin at once without --out: two folders")
    for number in range(count):
        for figures in (resumed, begun):
            out, release = where / "shared", where / "release"
            if figures is resumed:
                assert run(begin(out), where, Storage(Strike(2)).install).was_killed
            command = go_on(out) if figures is resumed else begin(out)
            outputs = [where / name for name in ("one", "other")]
            for output in outputs:
                output.mkdir(exist_ok=True)
            pair = [start(command, output, partial(hold_at_first_save, release)) for output in outputs]
            refused, trained = end_of_both(pair, release)
            problems = [] if refused.code == 1 else [f"exit code {refused.code}"]
            if str(out) not in refused.output or len(refused.output.splitlines()) != 1:
                problems.append(f"no line names the folder: {refused.output}")
            figures.add(f"trial {number}", problems + problems_at_the_end(trained, out, expected))
            release.unlink()
            rmtree(out)
        shared, release = where / "cwd", where / "release"
        shared.mkdir()
        release.touch()
        command = begin(where / "unused")[:-2]
        names = [start(command, shared), start(command, shared)]
        ends = [each.ended() for each in names]
        folders = sorted((shared / "runs").iterdir())
        problems = [f"exit code {end.code}: {end.output}" for end in ends if end.code]
        problems += [] if len(folders) == 2 else [f"folders {folders}"]
        for folder in folders:
            problems += problems_at_the_end(ends[0], folder, expected)
        apart.add(f"trial {number}", problems)
        release.unlink()
        rmtree(shared)
    return [resumed, begun, apart]


def kill_and_restart(cycles: int, where: Path) -> list[Figures]:
    """Kill one run again and again, each time with two decoding processes; nothing of it may stay.

    In every other cycle only the program is killed and not its decoding processes.
    """
    photographs = where / "photographs"
    if not photographs.exists():
        write_photographs(photographs, train=7)
    changes: dict[str, Value] = {
        "data": str(photographs), "image_size": 14, "padding": 0, "design": "full-preactivation", "steps": cycles + 2,
        "evaluate_steps": cycles,
    }  # fmt: skip
    expected = undisturbed(where, "imagenet", "left-alone", **changes)
    figures = Figures("kill and restart of one run with 2 decoding processes: nothing leaked")
    out, shared_memory = where / "again", Path("/dev/shm")
    before = set(os.listdir(shared_memory)) if shared_memory.exists() else set()
    groups = []
    for cycle in range(cycles):
        command = go_on(out) if (out / "recipe.json").exists() else begin(out, "imagenet", **changes)
        storage = Storage(Strike(0), alone=cycle % 2 == 1)
        process = start(command, where, Both(decode_in_two_processes, storage.install))
        groups.append(process.number)
        ended = process.ended()
        figures.add(f"cycle {cycle}", [] if ended.was_killed else [f"was not killed: {ended.output}"])
    ended = run(go_on(out), where, decode_in_two_processes)
    figures.add("the end", problems_at_the_end(ended, out, expected))
    deadline = time.monotonic() + SECONDS_FOR_AN_END
    while (left := processes_of(groups)) and time.monotonic() < deadline:
        time.sleep(0.2)
    figures.add("processes", [f"{each} is left" for each in left])
    after = set(os.listdir(shared_memory)) if shared_memory.exists() else set()
    figures.add("shared memory", [f"{name} is left" for name in after - before if name.startswith("torch_")])
    rmtree(out)
    return [figures]


def processes_of(groups: list[int]) -> list[int]:
    """Return the numbers of the processes that belong to the given groups and have not ended."""
    left = []
    for process in psutil.process_iter():
        try:
            if os.getpgid(process.pid) in groups and process.status() != psutil.STATUS_ZOMBIE:
                left.append(process.pid)
        except (ProcessLookupError, psutil.Error):
            continue
    return left
