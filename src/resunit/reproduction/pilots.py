"""Pilots: runs judged on held-out training images, which choose a scale's settings and decide no claim."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from statistics import fmean, stdev
from typing import Any

from resunit.io.format import to_two_digits
from resunit.reproduction.claims import CLAIMS
from resunit.reproduction.claims.choosing import SEEDS_FOR_A_VERDICT
from resunit.reproduction.claims.claim import describe_network
from resunit.reproduction.claims.judging import SIGNIFICANCE_LEVEL
from resunit.reproduction.claims.margins import Margins
from resunit.reproduction.claims.quantities import is_at_chance
from resunit.reproduction.claims.statistics import pooled_deviation, power
from resunit.reproduction.experiments.setting import Setting, select_newest_of_each_seed, setting_of
from resunit.reproduction.paper.networks import NetworkChoice, NetworkKey, network, network_of
from resunit.reproduction.seeds import SEEDS_OF_A_NETWORK_THAT_LEARNS
from resunit.runs.schema import ExperimentRecord

GREATEST_DEVIATION = 0.7  # of the original ResNet-110 over seeds, in points of test error
ORIGINAL, PREACTIVATION = network("resnet110", "original"), network("resnet110", "full-preactivation")


@dataclass(frozen=True)
class PilotOfNetwork:
    """What the pilots say about one network; errors are in percent of the held-out images, differences in points.

    Attributes:
        errors: the errors of its seeds that did not diverge.
        difference: its mean error minus that of the original units; None without runs of both.
        seeds: the seeds that the final runs need.
        power: the probability that so many seeds show so large a difference, if it is the true one, as the first
            of all contrasts after Holm's correction; None if no spread or no difference is known.
    """

    network: str
    errors: tuple[float, ...]
    difference: float | None
    seeds: int
    power: float | None


@dataclass(frozen=True)
class Pilots:
    """What the pilots of one setting say.

    Attributes:
        deviation_of_original: the standard deviation over seeds of the original ResNet-110, in points.
        deviation: the standard deviation over seeds, one for all networks that learned.
        margins: half of the difference between the original ResNet-110 and its full pre-activation.
    """

    setting: str
    networks: tuple[PilotOfNetwork, ...]
    deviation_of_original: float | None
    deviation: float | None
    margins: Margins | None

    @property
    def is_steady(self) -> bool | None:
        """Whether seeds of the original differ little enough; None if there are fewer than two."""
        found = self.deviation_of_original
        return None if found is None else found < GREATEST_DEVIATION

    def lines(self) -> list[str]:
        """Return the pilots as sentences, one a line."""
        lines = [f"Pilots on held-out training images ({self.setting}); they decide no claim."]
        for each in self.networks:
            errors = ", ".join(f"{error:.1f}" for error in each.errors) or "diverged"
            difference = "" if each.difference is None else f", {each.difference:+.1f} points from original"
            chance = "" if each.power is None else f", power {each.power:.2f}"
            lines.append(f"{each.network}: {errors} %{difference}; {each.seeds} seeds{chance}")
        if self.deviation_of_original is None:
            lines.append("The spread of the original ResNet-110 needs two seeds.")
        else:
            verdict = "below" if self.is_steady else "not below"
            lines.append(
                "Standard deviation over seeds: original ResNet-110 "
                f"{to_two_digits(self.deviation_of_original)} points, "
                f"{verdict} the {GREATEST_DEVIATION:g} of the first criterion, for three seeds"
            )
        if self.deviation is not None:
            lines.append(
                f"One variance for all networks that learned: {to_two_digits(self.deviation)} points"
            )
        if self.margins is not None:
            lines.append(
                f"Margins: {self.margins.test_error:.2f} points of test error, "
                f"{self.margins.train_error:.2f} of training error"
            )
        return lines

    def to_json(self) -> dict[str, Any]:
        """Return the pilots as one JSON object."""
        return asdict(self) | {"is_steady": self.is_steady}


def examine_pilots(records: Iterable[ExperimentRecord]) -> list[Pilots]:
    """Return what the pilots among the records say, for each of their settings."""
    settings: dict[Setting, list[ExperimentRecord]] = defaultdict(list)
    for record in records:
        if record.split == "validation" and record.status in ("done", "diverged"):
            settings[setting_of(record)].append(record)
    return [_examine(setting, found) for setting, found in settings.items()]


def _examine(setting: Setting, records: Iterable[ExperimentRecord]) -> Pilots:
    networks: dict[NetworkKey, NetworkChoice] = {}
    runs: dict[NetworkKey, list[ExperimentRecord]] = defaultdict(list)
    for record in records:
        chosen = network_of(record)
        networks[chosen.key] = chosen
        runs[chosen.key].append(record)
    runs = {key: select_newest_of_each_seed(found) for key, found in runs.items()}
    learned = [_errors(found) for found in runs.values() if not any(map(is_at_chance, found))]
    deviation = pooled_deviation(learned)
    original = _errors(runs.get(ORIGINAL.key, ()))
    return Pilots(
        setting=f"{setting.data}, scale {setting.scale}, {setting.description}",
        networks=tuple(_examine_network(each, runs, deviation) for each in networks.values()),
        deviation_of_original=stdev(original) if len(original) > 1 else None,
        deviation=deviation,
        margins=_margins(runs),
    )


def _examine_network(
    chosen: NetworkChoice, runs: Mapping[NetworkKey, list[ExperimentRecord]], deviation: float | None
) -> PilotOfNetwork:
    difference = _difference(chosen, runs)
    is_stuck = all(map(is_at_chance, runs[chosen.key]))
    seeds = SEEDS_FOR_A_VERDICT if is_stuck else SEEDS_OF_A_NETWORK_THAT_LEARNS
    level = SIGNIFICANCE_LEVEL / sum(len(claim.contrasts) for claim in CLAIMS)
    chance = power(difference, deviation, seeds, level) if difference is not None and deviation else None
    return PilotOfNetwork(describe_network(chosen), _errors(runs[chosen.key]), difference, seeds, chance)


def _difference(chosen: NetworkChoice, runs: Mapping[NetworkKey, list[ExperimentRecord]]) -> float | None:
    """Return a network's mean error minus that of the original units; None for these, and without runs of both."""
    errors = _errors(runs[chosen.key])
    original = _errors(runs.get(network(chosen.model, "original").key, ()))
    if chosen.design == "original" or not errors or not original:
        return None
    return fmean(errors) - fmean(original)


def _margins(runs: Mapping[NetworkKey, list[ExperimentRecord]]) -> Margins | None:
    """Return half of the effect that the paper is about; None unless both networks were trained without divergence."""
    both = [runs.get(each.key, []) for each in (ORIGINAL, PREACTIVATION)]
    test, train = (
        [[value for record in found if (value := getattr(record, name)) is not None] for found in both]
        for name in ("test_error", "train_error")
    )
    if not all(
        len(values) == len(found) > 0 for values, found in zip((*test, *train), both * 2, strict=True)
    ):
        return None
    return Margins(*(abs(fmean(one) - fmean(other)) / 2 for one, other in (test, train)))


def _errors(records: Iterable[ExperimentRecord]) -> tuple[float, ...]:
    return tuple(record.test_error for record in records if record.test_error is not None)
