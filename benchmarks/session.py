"""Measuring the entries of one benchmark in turns."""

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass, field, replace

from benchmarks.entries import Entry, Workload
from benchmarks.peers import Peer
from benchmarks.processes import MeasurementError, WorkProcess
from benchmarks.records import Condition, Measurement, Settings
from benchmarks.timing import Timed, count_repetitions, interleave
from resunit.errors import UsageError
from resunit.io.progress import counting

Conditions = Mapping[Condition | None, Callable[[], AbstractContextManager[None]]]
"""By condition, a function that returns the context within which the machine is in that condition."""
UNCONDITIONAL: Conditions = {None: nullcontext}


@dataclass
class Session:
    """What one benchmark gathers.

    Args:
        shown: whether progress goes to stderr.
        measurements: what was measured so far.
        notices: sentences about what could not be measured, such as a library that is not installed.
    """

    shown: bool = False
    measurements: list[Measurement] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)

    def notice(self, text: str) -> None:
        """Add a notice, unless the same one is there already."""
        if text not in self.notices:
            self.notices.append(text)


def select_installed(peers: Iterable[Peer], session: Session) -> list[Peer]:
    """Return the libraries that are installed; each of the others becomes a notice."""
    peers = list(peers)
    for peer in peers:
        if not peer.installed:
            session.notice(f"{peer.distribution} is missing: pip install {peer.distribution}")
    return [peer for peer in peers if peer.installed]


def measure_in_turn(
    session: Session,
    subject: str,
    workload: Workload,
    entries: Iterable[Entry],
    rounds: int,
    *,
    threads: int | None = None,
    settings: Settings | None = None,
    conditions: Conditions = UNCONDITIONAL,
) -> None:
    """Measure `entries` in turns, each in a process of its own, and add the results to `session`.

    An entry that cannot be measured becomes a notice.

    Args:
        session: where measurements and notices go.
        subject: the benchmark's subject.
        workload: the network, whose name and sizes stand in the records.
        entries: what is measured. Their names differ.
        rounds: the number of turns that each entry has.
        threads: the number of threads in each process; None leaves it to torch.
        settings: more settings for the records, beside sizes and threads.
        conditions: in each round, every entry has a turn in each of these conditions.
    """
    with ExitStack() as stack:
        processes = {
            entry: stack.enter_context(
                WorkProcess(entry.prepare, *entry.arguments, threads=threads, environment=entry.environment)
            )
            for entry in entries
        }
        title, turns = f"{subject}: {workload.name}", len(processes) * (rounds * len(conditions) + 1)
        advance = stack.enter_context(counting(title, turns, session.shown))
        repetitions: dict[Entry, int] = {}
        for entry, process in processes.items():
            try:
                process.wait()
                repetitions[entry] = count_repetitions(process.seconds)
                advance(1)
            except (MeasurementError, UsageError) as error:
                session.notice(
                    f"{workload.name}, batch {workload.batch_size}: {entry.name} was not measured: {error}"
                )
        timed = {
            (entry, condition): (_time_within(context, processes[entry]), count)
            for condition, context in conditions.items()
            for entry, count in repetitions.items()
        }
        for (entry, condition), seconds in interleave(timed, rounds, advance).items():
            process = processes[entry]
            prepared = process.wait()
            session.measurements.append(
                Measurement(
                    subject=subject,
                    entry=entry.name,
                    seconds=seconds,
                    work=entry.work,
                    unit=entry.unit,
                    network=workload.name,
                    settings=replace(
                        settings or Settings(),
                        batch_size=workload.batch_size,
                        image_size=workload.image_size,
                        threads=prepared.threads,
                        condition=condition,
                    ),
                    details=replace(prepared.details, memory=process.peak_memory(), units=entry.units),
                )
            )


def _time_within(context: Callable[[], AbstractContextManager[None]], process: WorkProcess) -> Timed:
    """Return what times the work of `process` within a context."""

    def seconds(repetitions: int) -> float:
        with context():
            return process.seconds(repetitions)

    return seconds
