"""Memory of a training step against depth, and the speed that it costs or saves."""

from collections.abc import Sequence

from benchmarks.contest import FAST, FAST_MODE, SMALL, SMALL_MODE, Network, Report, contest, installed
from benchmarks.peers import named_peers, spec_of_peers
from benchmarks.processes import STATUS, MeasurementError

DEEPEST, DEEPEST_BATCH = "preresnet10001", 8  # only with activation_checkpointing=small, and no peer
DEEPEST_PEER = 70  # units; deeper, what stores every map twice may not fit


def measure(
    report: Report,
    *,
    model: Sequence[str] = ("preresnet20", "preresnet110", "preresnet164", "preresnet1001", DEEPEST),
    against: str = "pytorchcv",
    batch_size: int = 128,
    rounds: int = 2,
) -> None:
    """The most bytes resident during training steps, over those once model and optimizer exist.

    Each contestant has a process of its own. The kernel's peak counter is reset when model and optimizer are
    there (proc(5), clear_refs and VmHWM). Our modes take turns; then come the peers, up to 70 units. The
    deepest network is measured on fewer images.
    """
    if not STATUS.exists():
        raise MeasurementError("bench memory reads /proc, which this system does not have")
    peers = installed(named_peers(against), report)
    specs = {name: spec_of_peers(name) for name in model}
    for name, spec in specs.items():
        if name == DEEPEST:
            network = Network(name, spec, min(batch_size, DEEPEST_BATCH), spec.image_size)
            contest(report, "memory", network, [network.ours(SMALL_MODE, memory=SMALL)], 1)
            continue
        network = Network(name, spec, batch_size, spec.image_size)
        ours = [network.ours(FAST_MODE, memory=FAST), network.ours(SMALL_MODE, memory=SMALL)]
        contest(report, "memory", network, ours, rounds)
        for peer in peers:
            if name in peer.networks and sum(spec.depths) <= DEEPEST_PEER:
                contest(report, "memory", network, [network.theirs(peer, "default")], rounds)
                contest(report, "memory", network, [network.theirs(peer, "best")], rounds)
