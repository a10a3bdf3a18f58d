"""What measurements say: quantities such as ratios of rounds, and whether their medians meet the targets."""

import math
import statistics
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from benchmarks.entries import (
    BARE_STEP,
    CAPTURED,
    CONVOLUTIONS,
    FAST_MODE,
    FOLDED,
    ONNX_RUNTIME,
    OPENVINO,
    OURS,
    OURS_SPINNING,
    PROGRAM,
    SMALL_MODE,
)
from benchmarks.neighbours import BUSY_CORE, SECOND_TRAINING
from benchmarks.records import Condition, Measurement, Settings, Task
from benchmarks.startup import FIRST_STEP, HELP
from benchmarks.timing import Spread
from benchmarks.watch import MEASURE, PASS, STEPS_BETWEEN_MEASUREMENTS, UNWATCHED, WATCHED


@dataclass(frozen=True)
class TargetCheck:
    """A quantity that measurements give, and the target for it, if it has one."""

    quantity: str
    """The quantity in words."""
    found: Spread
    target: float | None = None
    at_most: bool = False
    """Whether the target is an upper bound of the median; otherwise it is a lower bound."""
    unit: str = "x"

    @property
    def met(self) -> bool | None:
        """Whether the median meets the target; None without a target."""
        if self.target is None:
            return None
        return self.found.median <= self.target if self.at_most else self.found.median >= self.target


TARGETED = ("preresnet20", "preresnet110", "preresnet164")  # These networks have targets, at this batch size.
TARGETED_BATCH = 128
# How a library runs in each configuration.
CONFIGURATIONS = {
    "default": "as its users run it",
    "best": "at its best",
    "best+allocator": "at its best, with the allocator of resunit",
}
# How many times as fast resunit shall be in each precision that it takes by default. Where a processor does not
# compute in bf16, a library as its users run it loses less.
OVER_LIBRARY = {"bf16": {"default": 2.0, "best": 1.15}, "fp32": {"default": 1.5, "best": 1.15}}
SHARE_OF_LIMIT = {"bf16": 0.85, "fp32": 0.93}
UNIT_GROWTH, WHOLE_PROGRAM, INFERENCE = 1.10, 0.95, 1.2
LEVEL = 1.0  # as fast as the faster of the libraries that serve the same file
SHALLOW, DEEP = "preresnet164", "preresnet1001"
MEMORY_GIB = 2.0
SPEED_OF_SMALL = 0.70  # times the speed of activation_checkpointing="fast"
EXPONENT_OF_DEPTH = 0.5
STARTUP_SECONDS = {HELP: 0.3, FIRST_STEP: 6.0}
ACCURACY = {"quick": (91.5, 0.10), "fast94": (93.5, 0.36)}  # percent and PFLOP
MEASUREMENT_IN_PASSES = 2.0
SHORT_SPIN_COST = 1.05
# With one of two cores busy, three threads share two cores, so that a step of two threads may take 2 / 1.5 as long.
FAIR_SHARE, OVER_FAIR_SHARE = 2 / 1.5, 1.4
OVER_SECOND_TRAINING = 3.0
# A measurement costs at most four steps, which is 2 % of the time when every 200th step is measured.
GPU_WITH_TARGETS = "H100"
GPU_IMAGES_A_SECOND = {"preresnet20": 75_000, "preresnet110": 15_000}
WATCHED_TIME = 1 + 4 / STEPS_BETWEEN_MEASUREMENTS


def check_targets(subject: str, measurements: Sequence[Measurement]) -> list[TargetCheck]:
    """Return the quantities that the measurements of one benchmark of `subject` give."""
    checks = CHECKS.get(subject)
    return list(checks(measurements)) if checks else []


def group_by_turns(measurements: Iterable[Measurement]) -> list[dict[str, Measurement]]:
    """Return a group of measurements, by entry, for each network and settings: the group took turns."""
    groups: dict[tuple[str | None, Settings], dict[str, Measurement]] = {}
    for measurement in measurements:
        groups.setdefault((measurement.network, measurement.settings), {})[measurement.entry] = measurement
    return list(groups.values())


def check_training(measurements: Sequence[Measurement]) -> Iterator[TargetCheck]:
    """Yield the speed over each library, and the share of the speed of the convolutions alone."""
    shares: dict[str, tuple[float | None, list[float], list[float]]] = {}
    for group in group_by_turns(measurements):
        if OURS not in group:
            continue
        ours = group[OURS]
        targeted = ours.network in TARGETED and ours.settings.batch_size == TARGETED_BATCH
        precision = ours.details.precision if targeted else None
        over_library = OVER_LIBRARY.get(precision or "", {})
        for name, other in group.items():
            library, _, configuration = name.rpartition(" ")
            if configuration in CONFIGURATIONS:
                found = Spread.of_ratios(other.seconds, ours.seconds)
                quantity = f"{ours.network}: images/s over {library} {CONFIGURATIONS[configuration]}"
                yield TargetCheck(quantity, found, over_library.get(configuration))
        if CONVOLUTIONS in group:  # All groups of a network have it, and their rounds count together.
            quantity = f"{ours.network}: share of the convolution-only limit"
            _, limit, own = shares.setdefault(quantity, (SHARE_OF_LIMIT.get(precision or ""), [], []))
            limit += group[CONVOLUTIONS].seconds
            own += ours.seconds
    for quantity, (target, limit, own) in shares.items():
        yield TargetCheck(quantity, Spread.of_ratios(limit, own), target)


def check_growth(measurements: Sequence[Measurement]) -> Iterator[TargetCheck]:
    """Yield the cost of a unit in each deep network over its cost in the shallow one."""
    for group in group_by_turns(measurements):
        shallow, deep = sorted(group.values(), key=units_of)
        per_unit = [[seconds / units_of(entry) for seconds in entry.seconds] for entry in (deep, shallow)]
        quantity = f"seconds per unit, {deep.entry} over {shallow.entry}"
        yield TargetCheck(quantity, Spread.of_ratios(*per_unit), UNIT_GROWTH, at_most=True)


def check_program(measurements: Sequence[Measurement]) -> Iterator[TargetCheck]:
    """Yield the speed of the whole program over the speed of its bare step."""
    for group in group_by_turns(measurements):
        bare, whole = group[BARE_STEP], group[PROGRAM]
        quantity = f"{whole.network}: images/s of `resunit train` over those of its bare step"
        yield TargetCheck(quantity, Spread.of_ratios(bare.seconds, whole.seconds), WHOLE_PROGRAM)


def check_inference(measurements: Sequence[Measurement]) -> Iterator[TargetCheck]:
    """Yield the speed of inference over each library."""
    for group in group_by_turns(measurements):
        for ours in (group[name] for name in (OURS, FOLDED) if name in group):
            images = ours.settings.batch_size
            speed = "latency" if images == 1 else "throughput"
            execution = "folded" if ours.entry == FOLDED else "eager"
            for name, other in group.items():
                library, _, configuration = name.rpartition(" ")
                if library and library != OURS:
                    best = configuration == "best"
                    how = "at its best" if best else "as its users run it"
                    quantity = f"{ours.network}, batch {images}: {speed}, {execution}, over {library} {how}"
                    found = Spread.of_ratios(other.seconds, ours.seconds)
                    yield TargetCheck(quantity, found, INFERENCE if best else None)


def check_serving(measurements: Sequence[Measurement]) -> Iterator[TargetCheck]:
    """Yield the speed of resunit over the faster of ONNX Runtime and OpenVINO, by precision."""
    for group in group_by_turns(measurements):
        own = {name: ours for name in ("fp32", "bf16") if (ours := group.get(f"{FOLDED} {name}")) is not None}
        compared: list[tuple[str, str, Measurement, float | None]] = [
            (name, name, ours, LEVEL) for name, ours in own.items()
        ]
        if own:  # resunit has no integers; its fastest arithmetic stands beside theirs.
            name, ours = list(own.items())[-1]
            compared.append(("int8", f"{name} over int8", ours, None))
        for precision, shown, ours, target in compared:
            names = (f"{library} {precision}" for library in (ONNX_RUNTIME, OPENVINO))
            others = [group[name].seconds for name in names if name in group]
            if others:
                images = ours.settings.batch_size
                speed = "latency" if images == 1 else "throughput"
                quantity = f"{ours.network}, batch {images}: {speed}, {shown}, over the faster of the two"
                found = Spread.of_ratios([min(turn) for turn in zip(*others, strict=True)], ours.seconds)
                yield TargetCheck(quantity, found, target)


def check_memory(measurements: Sequence[Measurement]) -> Iterator[TargetCheck]:
    """Yield memory and speed of activation checkpointing, and how its memory grows with depth."""
    small_mode, fast_mode = "activation_checkpointing=small", "activation_checkpointing=fast"
    groups = group_by_turns(measurements)
    by_network = {group[SMALL_MODE].network: group for group in groups if SMALL_MODE in group}
    for network, group in by_network.items():
        small, deep = group[SMALL_MODE], network == DEEP
        batch = small.settings.batch_size
        target = MEMORY_GIB if deep and batch == TARGETED_BATCH else None
        gibibytes = Spread.of_one(memory_of(small) / 2**30)
        quantity = f"{network}, batch {batch}: memory, {small_mode}"
        yield TargetCheck(quantity, gibibytes, target, at_most=True, unit="GiB")
        if FAST_MODE in group:
            speed = Spread.of_ratios(group[FAST_MODE].seconds, small.seconds)
            quantity = f"{network}: speed, {small_mode} over {fast_mode}"
            yield TargetCheck(quantity, speed, SPEED_OF_SMALL if deep else None)
    if SHALLOW in by_network and DEEP in by_network:
        shallow, deep = by_network[SHALLOW][SMALL_MODE], by_network[DEEP][SMALL_MODE]
        growth, depth = memory_of(deep) / memory_of(shallow), units_of(deep) / units_of(shallow)
        exponent = Spread.of_one(math.log(growth) / math.log(depth))
        quantity = f"{small_mode} grows from {SHALLOW} to {DEEP} as depth to the power of"
        yield TargetCheck(quantity, exponent, EXPONENT_OF_DEPTH, at_most=True, unit="")


def check_busy(measurements: Sequence[Measurement]) -> Iterator[TargetCheck]:
    """Yield what the short spin costs, what other programs cost, and the speed over each library beside them."""
    by_place: dict[tuple[Task | None, Condition | None], dict[str, Measurement]] = {}
    for measurement in measurements:
        place = measurement.settings.task, measurement.settings.condition
        by_place.setdefault(place, {})[measurement.entry] = measurement
    for (task, condition), group in by_place.items():
        trains = task == "training step"
        ours = group.get(OURS) or group.get(FOLDED)
        idle = by_place.get((task, "idle"), {}).get(ours.entry) if ours else None
        if ours is None or idle is None:
            continue
        if condition == "idle" and OURS_SPINNING in group:
            found = Spread.of_ratios(ours.seconds, group[OURS_SPINNING].seconds)
            yield TargetCheck(
                f"{task}, idle: seconds over those without the setting", found, SHORT_SPIN_COST, True
            )
        if condition == BUSY_CORE:
            found = Spread.of_ratios(ours.seconds, idle.seconds)
            target = OVER_FAIR_SHARE * FAIR_SHARE if trains else None
            yield TargetCheck(
                f"{task}, {condition}: seconds over those of an idle machine", found, target, True
            )
        for name, other in group.items():
            if name in (ours.entry, OURS_SPINNING):
                continue
            library, _, configuration = name.rpartition(" ")
            how = f"{library} {CONFIGURATIONS[configuration]}" if configuration in CONFIGURATIONS else name
            applies = trains and condition == SECOND_TRAINING and configuration == "default"
            found = Spread.of_ratios(other.seconds, ours.seconds)
            target = OVER_SECOND_TRAINING if applies else None
            yield TargetCheck(f"{task}, {condition}: images/s over {how}", found, target)


def check_startup(measurements: Sequence[Measurement]) -> Iterator[TargetCheck]:
    """Yield the seconds of each command."""
    for measurement in measurements:
        target = STARTUP_SECONDS.get(measurement.entry)
        yield TargetCheck(measurement.entry, Spread.of(measurement.seconds), target, at_most=True, unit="s")


def check_watch(measurements: Sequence[Measurement]) -> Iterator[TargetCheck]:
    """Yield the cost of one measurement of the propagation, and of a training that is measured on the way."""
    for group in group_by_turns(measurements):
        if MEASURE in group:
            found = Spread.of_ratios(group[MEASURE].seconds, group[PASS].seconds)
            quantity = f"{group[PASS].network}: seconds of {MEASURE} over {PASS}"
            yield TargetCheck(quantity, found, MEASUREMENT_IN_PASSES, at_most=True)
        if WATCHED in group:
            found = Spread.of_ratios(group[WATCHED].seconds, group[UNWATCHED].seconds)
            every = f"watch_propagation={STEPS_BETWEEN_MEASUREMENTS}"
            quantity = f"{group[WATCHED].network}: seconds of training, {every} over none"
            yield TargetCheck(quantity, found, WATCHED_TIME, at_most=True)


def check_accuracy(measurements: Sequence[Measurement]) -> Iterator[TargetCheck]:
    """Yield the mean accuracy of each recipe on three kinds of views, and the arithmetic of a run.

    Published results of airbench are with test-time augmentation, so that both kinds have the target.
    """
    for measurement in measurements:
        errors = measurement.details.accuracy
        assert errors is not None
        target, petaflop = ACCURACY[measurement.entry]
        mean = f"{measurement.entry}, {len(errors.seeds)} seeds: mean accuracy"
        yield TargetCheck(f"{mean}, one plain view", average_accuracy(errors.plain), target, unit="%")
        yield TargetCheck(f"{mean}, image and mirror image", average_accuracy(errors.mirror), unit="%")
        tta = f"{mean}, test-time augmentation (six views)"
        yield TargetCheck(tta, average_accuracy(errors.tta), target, unit="%")
        arithmetic = Spread.of_one(measurement.work / 1e15)
        quantity = f"{measurement.entry}: arithmetic of a run"
        yield TargetCheck(quantity, arithmetic, petaflop, at_most=True, unit="PFLOP")


def check_gpu(measurements: Sequence[Measurement]) -> Iterator[TargetCheck]:
    """Yield the speed of captured steps, and how many times as fast as each other entry they are."""
    for group in group_by_turns(measurements):
        if CAPTURED not in group:
            continue
        ours = group[CAPTURED]
        name, is_targeted = str(ours.network), GPU_WITH_TARGETS in (ours.details.gpu or "")
        speed = Spread.of(ours.work / seconds for seconds in ours.seconds)
        target = GPU_IMAGES_A_SECOND.get(name) if is_targeted else None
        yield TargetCheck(f"{name} on {ours.details.gpu}: images/s, captured", speed, target, unit="images/s")
        for entry, other in group.items():
            if entry != CAPTURED:
                found = Spread.of_ratios(other.seconds, ours.seconds)
                yield TargetCheck(f"{name} on {ours.details.gpu}: images/s, captured, over {entry}", found)


def units_of(measurement: Measurement) -> int:
    """Return the number of residual units of a network that was measured."""
    assert measurement.details.units is not None
    return measurement.details.units


def memory_of(measurement: Measurement) -> int:
    """Return the memory of a training step in bytes."""
    assert measurement.details.memory is not None
    return measurement.details.memory


def average_accuracy(errors: Sequence[float]) -> Spread:
    """Return the accuracy in percent; the mean stands for the median, as the targets are for means over seeds."""
    accuracies = [100 - error for error in errors]
    return Spread(statistics.mean(accuracies), min(accuracies), max(accuracies))


CHECKS: dict[str, Callable[[Sequence[Measurement]], Iterator[TargetCheck]]] = {
    "train": check_training,
    "growth": check_growth,
    "program": check_program,
    "infer": check_inference,
    "serving": check_serving,
    "memory": check_memory,
    "busy": check_busy,
    "startup": check_startup,
    "watch": check_watch,
    "accuracy": check_accuracy,
    "gpu": check_gpu,
}
