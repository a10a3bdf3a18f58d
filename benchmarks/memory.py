"""Subject "memory": the memory of a training step against depth, and its speed."""

from collections.abc import Sequence

from benchmarks.entries import FAST, FAST_MODE, SMALL, SMALL_MODE, Workload
from benchmarks.peers import build_peer_spec, find_peers
from benchmarks.processes import STATUS, MeasurementError
from benchmarks.session import Session, measure_in_turn, select_installed

# The deepest network fits only with activation_checkpointing="small", and no other library has it.
DEEPEST, DEEPEST_BATCH = "preresnet10001", 8
# Other libraries store all activations twice, so that networks of more units may not fit.
MOST_UNITS_OF_PEERS = 70


def measure(
    session: Session,
    *,
    model: Sequence[str] = ("preresnet20", "preresnet110", "preresnet164", "preresnet1001", DEEPEST),
    against: str = "pytorchcv",
    batch_size: int = 128,
    rounds: int = 2,
) -> None:
    """Measure the most bytes resident during training steps, less the bytes of the model and the optimizer.

    The kernel's counter of peak memory is reset when model and optimizer exist (proc(5), clear_refs and
    VmHWM). The two modes of resunit take turns; then the other libraries follow, up to 70 units. The deepest
    network is measured on fewer images.

    Args:
        session: where measurements and notices go.
        model: names of networks.
        against: names of libraries, with commas between them.
        batch_size: images a step.
        rounds: the number of turns of each entry.

    Raises:
        MeasurementError: the system has no /proc.
    """
    if not STATUS.exists():
        raise MeasurementError("memory reads /proc, which this system does not have; take another subject")
    peers = select_installed(find_peers(against), session)
    specs = {name: build_peer_spec(name) for name in model}
    for name, spec in specs.items():
        if name == DEEPEST:
            workload = Workload(name, spec, min(batch_size, DEEPEST_BATCH), spec.image_size)
            small = workload.our_step(SMALL_MODE, activation_checkpointing=SMALL)
            measure_in_turn(session, "memory", workload, [small], 1)
            continue
        workload = Workload(name, spec, batch_size, spec.image_size)
        fast = workload.our_step(FAST_MODE, activation_checkpointing=FAST)
        small = workload.our_step(SMALL_MODE, activation_checkpointing=SMALL)
        measure_in_turn(session, "memory", workload, [fast, small], rounds)
        for peer in peers:
            if name in peer.networks and sum(spec.depths) <= MOST_UNITS_OF_PEERS:
                measure_in_turn(session, "memory", workload, [workload.peer_step(peer, "default")], rounds)
                measure_in_turn(session, "memory", workload, [workload.peer_step(peer, "best")], rounds)
