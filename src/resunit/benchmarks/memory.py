"""Memory of a training step against depth, and the speed that it costs or saves."""

from collections.abc import Sequence
from dataclasses import replace
from typing import get_args

from resunit.benchmarks.contest import OURS, SMALL_MODE, Network, Report, contest, image_size, installed
from resunit.benchmarks.peers import named_peers, spec_of_peers
from resunit.benchmarks.processes import STATUS, MeasurementError
from resunit.training.settings import field_types

# What the recipe's field `memory` can say is stored; "auto" chooses between them.
MODES = tuple(mode for mode in get_args(field_types().get("memory")) if mode != "auto")
DEEPEST = replace(spec_of_peers("preresnet1001"), depths=(1111, 1111, 1111))  # 9 x 1111 + 2 layers
DEEPEST_NAME, DEEPEST_BATCH = "preresnet10001", 16
SMALL = "small"
DEEPEST_PEER = 70  # units; deeper, what stores every map twice does not fit beside anything else


def measure(
    report: Report,
    *,
    model: Sequence[str] = ("preresnet20", "preresnet110", "preresnet164", "preresnet1001"),
    against: str = "pytorchcv",
    batch_size: int = 128,
    rounds: int = 2,
) -> None:
    """The most bytes resident during training steps, over those once model and optimiser exist.

    Each contestant has a process of its own. The kernel's peak counter is reset when model and optimiser are
    there (proc(5), clear_refs and VmHWM). Our modes take turns; then come the peers, up to 70 units.
    """
    if not STATUS.exists():
        raise MeasurementError("bench memory reads /proc, which this system does not have")
    peers = installed(named_peers(against), report)
    specs = {name: spec_of_peers(name) for name in model}
    for name, spec in specs.items():
        network = Network(name, spec, batch_size, image_size(spec))
        ours = [network.ours(f"{OURS} {mode}", memory=mode) for mode in MODES] or [network.ours()]
        contest(report, "memory", network, ours, rounds)
        for peer in peers:
            if name in peer.networks and sum(spec.depths) <= DEEPEST_PEER:
                entries = [network.theirs(peer, "default"), network.theirs(peer, "best")]
                for entry in entries:
                    contest(report, "memory", network, [entry], rounds)
    if "preresnet1001" in specs and SMALL in MODES:
        network = Network(DEEPEST_NAME, DEEPEST, DEEPEST_BATCH, 32)
        contest(report, "memory", network, [network.ours(SMALL_MODE, memory=SMALL)], 1)
