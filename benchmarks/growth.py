"""Does a unit of a very deep network cost what one of a shallower network costs?"""

from collections.abc import Sequence

from benchmarks.contest import FAST, Network, Report, contest
from resunit.errors import UsageError
from resunit.models.registry import network_spec

PAIRS = "preresnet110", "preresnet1202", "preresnet164", "preresnet1001"  # shallow, deep, shallow, deep


def measure(report: Report, *, model: Sequence[str] = PAIRS, batch_size: int = 64, rounds: int = 3) -> None:
    """Our training step of networks in pairs of a shallow and a deep one, taking turns within a pair."""
    if len(model) % 2:
        raise UsageError("bench growth takes networks in pairs: --model SHALLOW --model DEEP")
    specs = {name: network_spec(name) for name in model}
    for shallow, deep in zip(model[::2], model[1::2], strict=True):
        networks = {
            name: Network(f"{shallow}, {deep}", specs[name], batch_size, specs[name].image_size)
            for name in (shallow, deep)
        }
        entries = [network.ours(name, memory=FAST) for name, network in networks.items()]
        contest(report, "growth", networks[shallow], entries, rounds)
