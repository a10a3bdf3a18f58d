"""Training steps beside the peers', and beside what the machine could do."""

from collections.abc import Sequence
from typing import get_args

from benchmarks.contest import Entry, Network, Report, contest, installed
from benchmarks.limits import prepare_gemm, prepare_triad
from benchmarks.peers import PEERS, named_peers, spec_of_peers
from benchmarks.steps import Configuration

LIMITS = [
    Entry("GEMM fp32", prepare_gemm, ("float32",), 0, "FLOP"),
    Entry("GEMM bf16", prepare_gemm, ("bfloat16",), 0, "FLOP"),
    Entry("memory bandwidth", prepare_triad, (), 0, "bytes"),
]


def measure(
    report: Report,
    *,
    model: Sequence[str] = ("preresnet20", "preresnet110", "preresnet164"),
    against: str = ",".join(PEERS),
    batch_size: int = 128,
    rounds: int = 5,
) -> None:
    """A training step of each network: ours, every peer's in each configuration, the convolutions alone."""
    peers = installed(named_peers(against), report)
    specs = {name: spec_of_peers(name) for name in model}
    for name, spec in specs.items():
        network = Network(name, spec, batch_size, spec.image_size)
        beside = [peer for peer in peers if name in peer.networks]
        if not beside:
            report.notice(f"{name}: none of the peers has it")
            contest(report, "train", network, [network.ours(), network.convolutions(), *LIMITS], rounds)
        for peer in beside:  # one at a time: each contestant keeps the memory of its step
            theirs = [network.theirs(peer, configuration) for configuration in get_args(Configuration)]
            entries = [*theirs, network.ours(), network.convolutions(), *LIMITS]
            settings = {"beside": peer.distribution}
            contest(report, "train", network, entries, rounds, settings=settings)
