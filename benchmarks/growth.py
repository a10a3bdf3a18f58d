"""Subject "growth": whether a unit of a very deep network costs as much as a unit of a shallower network."""

from collections.abc import Sequence

from benchmarks.entries import FAST, Workload
from benchmarks.session import Session, measure_in_turn
from resunit.errors import UsageError
from resunit.models.registry import network_spec

PAIRS = "preresnet110", "preresnet1202", "preresnet164", "preresnet1001"  # shallow, deep, shallow, deep


def measure(session: Session, *, model: Sequence[str] = PAIRS, batch_size: int = 64, rounds: int = 3) -> None:
    """Measure the training step of networks in pairs, a shallow one and a deep one in turns.

    Args:
        session: where measurements and notices go.
        model: names of networks; each shallow network is followed by its deep one.
        batch_size: images a step.
        rounds: the number of turns of each network.

    Raises:
        UsageError: the number of networks is odd, or a name is unknown.
    """
    if len(model) % 2:
        raise UsageError("growth takes networks in pairs: --model SHALLOW --model DEEP")
    specs = {name: network_spec(name) for name in model}
    for shallow, deep in zip(model[::2], model[1::2], strict=True):
        workloads = {
            name: Workload(f"{shallow}, {deep}", specs[name], batch_size, specs[name].image_size)
            for name in (shallow, deep)
        }
        entries = [
            workload.our_step(name, activation_checkpointing=FAST) for name, workload in workloads.items()
        ]
        measure_in_turn(session, "growth", workloads[shallow], entries, rounds)
