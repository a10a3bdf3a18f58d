"""Which runs decide a claim: those of the setting that can tell most."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

from resunit.reproduction.claims.findings import Claim, named
from resunit.reproduction.networks import Network, network_of
from resunit.reproduction.scales import SCALES
from resunit.reproduction.setting import Setting, newest_of_each_seed, setting_of

SEEDS = 3  # fewer say nothing about spread
Record = Mapping[str, Any]
Runs = Mapping[Any, list[Record]]  # by network


@dataclass(frozen=True)
class Chosen:
    """The runs of a claim's networks; `settings` as in a Verdict."""

    runs: Runs
    settings: Mapping[str, Setting]

    @property
    def seeds(self) -> int:
        return min(len(records) for records in self.runs.values())

    @property
    def machine(self) -> str:
        return ", ".join(sorted({r.get("machine", "") for records in self.runs.values() for r in records}))

    @property
    def rank(self) -> tuple[Any, ...]:
        """Smoke decides only where there is nothing else; of those with seeds enough, the larger scale."""
        settings = list(self.settings.values())
        scale = settings[0].scale
        size = -list(SCALES).index(scale) if scale in SCALES else -len(SCALES)
        steps = sum(setting.steps for setting in settings)
        return scale != "smoke", self.seeds >= SEEDS, size, len(set(settings)) == 1, self.seeds, steps


def by_setting(records: Iterable[Record]) -> dict[Setting, dict[Any, list[Record]]]:
    """The runs that ended, by setting and network, each seed once."""
    ended: dict[Any, list[Record]] = defaultdict(list)
    for record in records:
        if record["status"] in ("done", "diverged"):
            ended[network_of(record).key].append(record)
    settings: dict[Setting, dict[Any, list[Record]]] = defaultdict(lambda: defaultdict(list))
    for network, found in ended.items():
        for record in newest_of_each_seed(found):
            settings[setting_of(record)][network].append(record)
    return settings


def choose(claim: Claim, settings: Mapping[Setting, Runs]) -> Chosen | None:
    """The best runs that have all networks of `claim`, on its data; None if there are none.

    Each of the claim's sides has one setting; between sides, scale and recipe are equal.
    """
    sides = claim.sides
    fitting = [s for s in settings if s.data == claim.data or s.scale == "smoke"]  # which has the sample only
    complete = [
        [s for s in fitting if all(network.key in settings[s] for network in side)] for side in sides.values()
    ]
    candidates = [
        Chosen(
            {n.key: settings[s][n.key] for s, side in zip(each, sides.values(), strict=True) for n in side},
            dict(zip(sides, each, strict=True)),
        )
        for each in product(*complete)
        if len({(s.data, s.scale, s.recipe) for s in each}) == 1
    ]
    return max(candidates, key=lambda chosen: chosen.rank, default=None)


def missing(claim: Claim, settings: Mapping[Setting, Runs]) -> str:
    """Why nothing could be chosen."""
    where = [runs for s, runs in settings.items() if s.data == claim.data or s.scale == "smoke"]
    absent: Network | None = next((n for n in claim.networks if not any(n.key in r for r in where)), None)
    what = f"no run of {named(absent)}" if absent else "no setting in which all its networks were run"
    return f"{what}; `resunit reproduce {claim.runs}` runs them"
