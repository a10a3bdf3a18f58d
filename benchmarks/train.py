"""Subject "train": a training step next to other libraries, and next to what the machine can do at best."""

from collections.abc import Sequence
from typing import get_args

import torch

from benchmarks.entries import Entry, Workload
from benchmarks.limits import GEMM_FLOP, TRIAD_BYTES, prepare_gemm, prepare_triad
from benchmarks.peers import PEERS, build_peer_spec, find_peers
from benchmarks.records import Settings
from benchmarks.session import Session, measure_in_turn, select_installed
from benchmarks.steps import TrainingConfiguration
from resunit.ops.processor import supports_bf16


def measure(
    session: Session,
    *,
    model: Sequence[str] = ("preresnet20", "preresnet110", "preresnet164"),
    against: str = ",".join(PEERS),
    batch_size: int = 128,
    rounds: int = 5,
) -> None:
    """Measure a training step of each network: of resunit, of each library, and of the convolutions alone.

    Args:
        session: where measurements and notices go.
        model: names of networks.
        against: names of libraries, with commas between them.
        batch_size: images a step.
        rounds: the number of turns of each entry.
    """
    peers = select_installed(find_peers(against), session)
    specs = {name: build_peer_spec(name) for name in model}
    for name, spec in specs.items():
        workload = Workload(name, spec, batch_size, spec.image_size)
        ours = [workload.our_step(), workload.convolutions(), *list_limits()]
        with_network = [peer for peer in peers if name in peer.networks]
        if not with_network:
            session.notice(f"{name}: none of the libraries has it")
            measure_in_turn(session, "train", workload, ours, rounds)
        # Libraries have turns one after the other, as every process keeps the memory of its step.
        for peer in with_network:
            theirs = [workload.peer_step(peer, choice) for choice in get_args(TrainingConfiguration)]
            settings = Settings(peer=peer.distribution)
            measure_in_turn(session, "train", workload, [*theirs, *ours], rounds, settings=settings)


def list_limits() -> list[Entry]:
    """Return the limits of this machine; a product in bf16 only where the processor computes in bf16."""
    fp32 = Entry("GEMM fp32", prepare_gemm, ("float32",), GEMM_FLOP, "FLOP")
    bf16 = Entry("GEMM bf16", prepare_gemm, ("bfloat16",), GEMM_FLOP, "FLOP")
    bandwidth = Entry("memory bandwidth", prepare_triad, (), TRIAD_BYTES, "bytes")
    return [fp32, *([bf16] if supports_bf16(torch.device("cpu")) else []), bandwidth]
