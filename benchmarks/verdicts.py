"""Measurements against targets: ratios formed round by round, and whether their medians are good enough."""

import math
import statistics
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from benchmarks.contest import BARE_STEP, CONVOLUTIONS, FAST_MODE, FOLDED, OURS, PROGRAM, SMALL_MODE
from benchmarks.records import Measurement
from benchmarks.timing import Spread, ratios, spread


@dataclass(frozen=True)
class Verdict:
    """`what` was found, and the `goal` for its median, if it has one: at least that, or `at_most`."""

    what: str
    found: Spread
    goal: float | None = None
    at_most: bool = False
    unit: str = "x"

    @property
    def met(self) -> bool | None:
        if self.goal is None:
            return None
        return self.found.median <= self.goal if self.at_most else self.found.median >= self.goal


HEADLINE = ("preresnet20", "preresnet110", "preresnet164")  # the networks that have targets, at batch 128
CONFIGURATIONS = {  # of a peer: how it runs, and how much faster we shall be
    "default": ("as its users run it", 2.0),
    "best": ("at its best", 1.15),
    "best+allocator": ("at its best, with our allocator", None),
}
LIMIT = 0.85
UNIT_GROWTH, WHOLE_PROGRAM, INFERENCE = 1.10, 0.95, 1.2
SHALLOW, DEEP = "preresnet164", "preresnet1001"
MEMORY, SMALL_SPEED, SQUARE_ROOT = 2.0, 0.70, 0.5  # GiB; of activation_checkpointing=fast; exponent of depth
STARTUP = {"resunit --help": 0.3, "first training step": 6.0}  # seconds
ACCURACY = {"quick": (91.5, 0.10), "fast94": (93.5, 0.36)}  # percent, PFLOP


def verdicts(subject: str, measurements: Sequence[Measurement]) -> list[Verdict]:
    """What the measurements of a run of `subject` say."""
    judge = JUDGES.get(subject)
    return list(judge(measurements)) if judge else []


def together(measurements: Iterable[Measurement]) -> list[dict[str, Measurement]]:
    """Those that took turns, by contestant: equal networks and settings."""
    groups: dict[tuple[str | None, str], dict[str, Measurement]] = {}
    for measurement in measurements:
        key = measurement.network, repr(sorted(measurement.settings.items()))
        groups.setdefault(key, {})[measurement.contestant] = measurement
    return list(groups.values())


def training(measurements: Sequence[Measurement]) -> Iterator[Verdict]:
    shares: dict[str, tuple[float | None, list[float], list[float]]] = {}
    for group in together(measurements):
        if OURS not in group:
            continue
        ours = group[OURS]
        targeted = ours.network in HEADLINE and ours.settings["batch_size"] == 128
        for name, other in group.items():
            library, _, configuration = name.rpartition(" ")
            if configuration in CONFIGURATIONS:
                how, goal = CONFIGURATIONS[configuration]
                found = ratios(other.seconds, ours.seconds)
                what = f"{ours.network}: images/s over {library} {how}"
                yield Verdict(what, found, goal if targeted else None)
        if CONVOLUTIONS in group:  # in every group of a network: their rounds count together
            what = f"{ours.network}: share of the convolution-only limit"
            _, limit, own = shares.setdefault(what, (LIMIT if targeted else None, [], []))
            limit += group[CONVOLUTIONS].seconds
            own += ours.seconds
    for what, (goal, limit, own) in shares.items():
        yield Verdict(what, ratios(limit, own), goal)


def growth(measurements: Sequence[Measurement]) -> Iterator[Verdict]:
    for group in together(measurements):
        shallow, deep = sorted(group.values(), key=lambda measurement: measurement.details["units"])
        a, b = ([seconds / m.details["units"] for seconds in m.seconds] for m in (deep, shallow))
        what = f"seconds a unit, {deep.contestant} over {shallow.contestant}"
        yield Verdict(what, ratios(a, b), UNIT_GROWTH, at_most=True)


def program(measurements: Sequence[Measurement]) -> Iterator[Verdict]:
    for group in together(measurements):
        bare, whole = group[BARE_STEP], group[PROGRAM]
        what = f"{whole.network}: images/s of `resunit train` over those of its bare step"
        yield Verdict(what, ratios(bare.seconds, whole.seconds), WHOLE_PROGRAM)


def inference(measurements: Sequence[Measurement]) -> Iterator[Verdict]:
    for group in together(measurements):
        for ours in (group[name] for name in (OURS, FOLDED) if name in group):
            images = ours.settings["batch_size"]
            speed = "latency" if images == 1 else "throughput"
            way = "folded" if ours.contestant == FOLDED else "eager"
            for name, other in group.items():
                library, _, configuration = name.rpartition(" ")
                if library and library != OURS:
                    best = configuration == "best"
                    how = "at its best" if best else "as its users run it"
                    what = f"{ours.network}, batch {images}: {speed}, {way}, over {library} {how}"
                    yield Verdict(what, ratios(other.seconds, ours.seconds), INFERENCE if best else None)


def memory(measurements: Sequence[Measurement]) -> Iterator[Verdict]:
    groups = together(measurements)
    by_network = {group[SMALL_MODE].network: group for group in groups if SMALL_MODE in group}
    for network, group in by_network.items():
        small = group[SMALL_MODE]
        bytes_, deep = small.details["memory"], network == DEEP
        gibibytes = bytes_ / 2**30
        batch = small.settings["batch_size"]
        goal = MEMORY if deep and batch == 128 else None
        what = f"{network}, batch {batch}: memory, activation_checkpointing=small"
        yield Verdict(what, once(gibibytes), goal, at_most=True, unit="GiB")
        if FAST_MODE in group:
            speed = ratios(group[FAST_MODE].seconds, small.seconds)
            what = f"{network}: speed, activation_checkpointing=small over activation_checkpointing=fast"
            yield Verdict(what, speed, SMALL_SPEED if deep else None)
    if SHALLOW in by_network and DEEP in by_network:
        shallow, deep = by_network[SHALLOW][SMALL_MODE], by_network[DEEP][SMALL_MODE]
        growth = deep.details["memory"] / shallow.details["memory"]
        exponent = math.log(growth) / math.log(deep.details["units"] / shallow.details["units"])
        what = f"activation_checkpointing=small grows from {SHALLOW} to {DEEP} as depth to the power of"
        yield Verdict(what, once(exponent), SQUARE_ROOT, at_most=True, unit="")


def startup(measurements: Sequence[Measurement]) -> Iterator[Verdict]:
    for measurement in measurements:
        goal = STARTUP.get(measurement.contestant)
        yield Verdict(measurement.contestant, spread(measurement.seconds), goal, at_most=True, unit="s")


def accuracy(measurements: Sequence[Measurement]) -> Iterator[Verdict]:
    """Each recipe by one plain view of each image, and as airbench is quoted, by augmented views."""
    for measurement in measurements:
        goal, petaflop = ACCURACY[measurement.contestant]
        details = measurement.details
        mean = f"{measurement.contestant}, {len(details['seeds'])} seeds: mean accuracy"
        views = {
            "one plain view": details["test_errors"],
            "image and mirror image": details["mirrored_views"],
            "six augmented views": details["tta"],
        }
        for view, errors in views.items():
            found, judged = mean_accuracy(errors), view != "image and mirror image"
            yield Verdict(f"{mean}, {view}", found, goal if judged else None, unit="%")
        what = f"{measurement.contestant}: arithmetic of a run"
        yield Verdict(what, once(measurement.work / 1e15), petaflop, at_most=True, unit="PFLOP")


def once(value: float) -> Spread:
    return Spread(value, value, value)


def mean_accuracy(errors: Sequence[float]) -> Spread:
    """In percent; the mean takes the median's place, as targets are of means over seeds."""
    accuracies = [100 - error for error in errors]
    return Spread(statistics.mean(accuracies), min(accuracies), max(accuracies))


JUDGES: dict[str, Callable[[Sequence[Measurement]], Iterator[Verdict]]] = {
    "train": training,
    "growth": growth,
    "program": program,
    "infer": inference,
    "memory": memory,
    "startup": startup,
    "accuracy": accuracy,
}
