"""The choice of the runs that decide a claim: they have the setting that allows the surest verdict."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

from resunit.reproduction.claims.claim import Claim, describe_network
from resunit.reproduction.evidence.records import has_ended
from resunit.reproduction.experiments.scales import SCALES
from resunit.reproduction.experiments.setting import Setting, select_newest_of_each_seed, setting_of
from resunit.reproduction.paper.networks import NetworkChoice, NetworkKey, network_of
from resunit.runs.schema import ExperimentRecord

SEEDS_FOR_A_VERDICT = 3  # With fewer seeds the spread cannot be estimated well enough.

RunsByNetwork = Mapping[NetworkKey, list[ExperimentRecord]]


@dataclass(frozen=True)
class ChosenRuns:
    """The runs of a claim's networks.

    Attributes:
        runs: the runs by network.
        settings: as in a `ClaimOutcome`.
    """

    runs: RunsByNetwork
    settings: Mapping[str, Setting]

    @property
    def seeds(self) -> int:
        """The number of seeds of the network that has the fewest."""
        return min(len(records) for records in self.runs.values())

    @property
    def machine(self) -> str:
        """The machines that the runs were made on."""
        return ", ".join(sorted({r.machine or "" for records in self.runs.values() for r in records}))

    @property
    def rank(self) -> tuple[Any, ...]:
        """The order of preference, the best last.

        Smoke decides only where there are no other runs; of settings with enough seeds, the one of the larger
        scale decides.
        """
        settings = list(self.settings.values())
        scale = settings[0].scale
        size = -list(SCALES).index(scale) if scale in SCALES else -len(SCALES)
        steps = sum(setting.steps for setting in settings)
        enough = self.seeds >= SEEDS_FOR_A_VERDICT
        return scale != "smoke", enough, size, len(set(settings)) == 1, self.seeds, steps


def by_setting(
    records: Iterable[ExperimentRecord],
) -> dict[Setting, dict[NetworkKey, list[ExperimentRecord]]]:
    """Return the runs that ended, by setting and network, each seed once."""
    ended: dict[NetworkKey, list[ExperimentRecord]] = defaultdict(list)
    for record in filter(has_ended, records):
        ended[network_of(record).key].append(record)
    settings: dict[Setting, dict[NetworkKey, list[ExperimentRecord]]] = defaultdict(lambda: defaultdict(list))
    for network, found in ended.items():
        for record in select_newest_of_each_seed(found):
            settings[setting_of(record)][network].append(record)
    return settings


def choose(claim: Claim, settings: Mapping[Setting, RunsByNetwork]) -> ChosenRuns | None:
    """Return the best runs that have all networks of `claim`, on its data; None if there are none.

    Each of the claim's sides has one setting; between sides, scale and recipe are equal.
    """
    sides = claim.sides
    fitting = list(_on_the_data_of(claim, settings))
    complete = [
        [s for s in fitting if all(network.key in settings[s] for network in side)] for side in sides.values()
    ]
    candidates = [
        ChosenRuns(
            {n.key: settings[s][n.key] for s, side in zip(each, sides.values(), strict=True) for n in side},
            dict(zip(sides, each, strict=True)),
        )
        for each in product(*complete)
        if len({(s.data, s.scale, s.recipe) for s in each}) == 1
    ]
    return max(candidates, key=lambda chosen: chosen.rank, default=None)


def explain_missing_runs(claim: Claim, settings: Mapping[Setting, RunsByNetwork]) -> str:
    """Return why no runs could be chosen, with the command that trains the missing runs."""
    fitting = [settings[setting] for setting in _on_the_data_of(claim, settings)]
    absent: NetworkChoice | None = next(
        (n for n in claim.networks if not any(n.key in runs for runs in fitting)), None
    )
    reason = (
        f"no run of {describe_network(absent)}" if absent else "no setting in which all its networks were run"
    )
    return f"{reason}; `resunit reproduce {claim.table} --run` trains them"


def _on_the_data_of(claim: Claim, settings: Iterable[Setting]) -> Iterable[Setting]:
    """Yield the settings on the claim's data; smoke scale has the sample in place of all data."""
    return (setting for setting in settings if setting.data == claim.data or setting.scale == "smoke")
