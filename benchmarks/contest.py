"""Who trains against whom on one network, and what came of it."""

from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from benchmarks.convolutions import prepare_convolutions
from benchmarks.peers import Peer
from benchmarks.processes import MeasurementError, WorkProcess
from benchmarks.records import Measurement, Unit
from benchmarks.steps import Configuration, prepare_ours, prepare_peer
from benchmarks.timing import interleave, warm_up
from resunit.errors import UsageError
from resunit.io.progress import counting
from resunit.models.network import NetworkSpec

FAST, SMALL = "fast", "small"  # what our recipes' field `memory` can be
# What contestants are called in records.
OURS, FOLDED = "resunit", "resunit folded"
FAST_MODE, SMALL_MODE = f"{OURS} {FAST}", f"{OURS} {SMALL}"
BARE_STEP, PROGRAM = "bare step", "resunit train"
CONVOLUTIONS = "convolutions alone"


@dataclass
class Report:
    """What a benchmark gathers, and what it has to say beside numbers: peers missing, what did not fit.

    `shown` says whether progress goes to stderr.
    """

    shown: bool = False
    measurements: list[Measurement] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)

    def notice(self, text: str) -> None:
        """Say it once."""
        if text not in self.notices:
            self.notices.append(text)


@dataclass(frozen=True)
class Entry:
    """A contestant: what its process prepares, and how much work one repetition is."""

    name: str
    prepare: Callable[..., Any]
    arguments: tuple[Any, ...]
    work: float
    unit: Unit = "images"
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Network:
    """A network to train or run, by the name that reports call it."""

    name: str
    spec: NetworkSpec
    batch_size: int
    image_size: int

    def ours(self, name: str = OURS, **settings: Any) -> Entry:
        arguments = (self.spec, self.name, self.batch_size, self.image_size, settings)
        return Entry(name, prepare_ours, arguments, self.batch_size, details={"units": sum(self.spec.depths)})

    def theirs(self, peer: Peer, configuration: Configuration) -> Entry:
        arguments = (
            peer.distribution, configuration, self.spec, self.name, self.batch_size, self.image_size,
        )  # fmt: skip
        return Entry(f"{peer.distribution} {configuration}", prepare_peer, arguments, self.batch_size)

    def convolutions(self) -> Entry:
        arguments = (self.spec, self.batch_size, self.image_size)
        return Entry(CONVOLUTIONS, prepare_convolutions, arguments, self.batch_size)


def installed(peers: Iterable[Peer], report: Report) -> list[Peer]:
    """Those of `peers` that are installed; the others are named as missing."""
    peers = list(peers)
    for peer in peers:
        if not peer.installed:
            report.notice(f"{peer.distribution} is missing: pip install {peer.distribution}")
    return [peer for peer in peers if peer.installed]


def contest(
    report: Report,
    subject: str,
    network: Network,
    entries: Iterable[Entry],
    rounds: int,
    *,
    threads: int | None = None,
    settings: Mapping[str, Any] | None = None,
) -> None:
    """Let `entries` take turns, each in a process of its own; what cannot be measured becomes a notice."""
    with ExitStack() as stack:
        started = {
            entry.name: (
                entry,
                stack.enter_context(WorkProcess(entry.prepare, *entry.arguments, threads=threads)),
            )
            for entry in entries
        }
        running: dict[str, tuple[WorkProcess, int]] = {}
        details: dict[str, dict[str, Any]] = {}
        advance = stack.enter_context(
            counting(f"{subject}: {network.name}", len(started) * (rounds + 1), report.shown)
        )
        for name, (_, process) in started.items():
            try:
                details[name] = process.details()
                running[name] = process, warm_up(process.seconds)
                advance(1)
            except (MeasurementError, UsageError) as error:
                report.notice(f"{network.name}, batch {network.batch_size}: {name} was not measured: {error}")
        turns = {name: (process.seconds, repetitions) for name, (process, repetitions) in running.items()}
        seconds = interleave(turns, rounds, advance)
        for name, (process, _) in running.items():
            entry = started[name][0]
            details[name] |= {"memory": process.peak_memory(), **entry.details}
            used = {
                "batch_size": network.batch_size,
                "image_size": network.image_size,
                "threads": details[name].pop("threads"),
                **(settings or {}),
            }
            work = details[name].pop("work", entry.work)
            report.measurements.append(
                Measurement(subject, name, seconds[name], work, entry.unit, network.name, used, details[name])
            )
