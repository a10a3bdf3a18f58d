"""Subject "busy": training, inference and data loading while the machine computes something else too."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import replace

from benchmarks.entries import FOLDED, OURS, OURS_SPINNING, TORCHVISION, Entry, Workload
from benchmarks.infer import peer_inference, prepare_our_inference
from benchmarks.loading import FILES, SIDE, prepare_our_loading, prepare_torchvision_loading
from benchmarks.neighbours import NEIGHBOURS, SECOND_TRAINING, Neighbour
from benchmarks.peers import PEERS, Peer, build_peer_spec
from benchmarks.records import Condition, Settings, Task
from benchmarks.session import Session, measure_in_turn, select_installed
from resunit.cli.process import SHORT_SPIN, SPIN
from resunit.inference.fuse import fold
from resunit.io.cores import available_cores

PEER, NETWORK = "pytorchcv", "preresnet20"
LOADED_BATCH = 32  # images of a batch of data loading, which are larger than those of the network
AS_THE_COMMAND_LINE = {SPIN: SHORT_SPIN}


def measure(session: Session, *, batch_size: int = 128, rounds: int = 20) -> None:
    """Measure on an idle machine, beside one busy core and beside a second training, in turns.

    The busy core is a Python loop. The second training is pre-act 20 of pytorchcv at batch 128, as users of that
    library train it. Both stand still while it is not their turn.

    Args:
        session: where measurements and notices go.
        batch_size: images a step, and a batch of inference.
        rounds: the number of turns of each entry in each condition.
    """
    peers = select_installed([PEERS[PEER]], session)
    spec = build_peer_spec(NETWORK)
    workload = Workload(NETWORK, spec, batch_size, spec.image_size)
    loaded = replace(workload, batch_size=LOADED_BATCH, image_size=SIDE)
    with ExitStack() as stack:
        conditions: dict[Condition | None, Callable[[], AbstractContextManager[None]]] = {"idle": nullcontext}
        for condition, program in NEIGHBOURS.items():
            if condition == SECOND_TRAINING and not peers:
                continue  # The notice of the missing library stands already.
            conditions[condition] = stack.enter_context(Neighbour(program)).computing
        tasks: list[tuple[Task, Workload, list[Entry]]] = [
            ("training step", workload, list(training_entries(workload, peers))),
            ("inference", workload, list(inference_entries(workload, peers))),
            ("data loading", loaded, loading_entries()),
        ]
        for task, sized, entries in tasks:
            measure_in_turn(
                session, "busy", sized, entries, rounds, settings=Settings(task=task), conditions=conditions
            )


def training_entries(workload: Workload, peers: list[Peer]) -> Iterator[Entry]:
    """Yield the training step of resunit as the command line and as Python code run it, and of each library."""
    yield replace(workload.our_step(), environment=AS_THE_COMMAND_LINE)
    yield workload.our_step(OURS_SPINNING)
    for peer in peers:
        yield workload.peer_step(peer, "default")
        yield workload.peer_step(peer, "best")


def inference_entries(workload: Workload, peers: list[Peer]) -> Iterator[Entry]:
    """Yield the logits of a batch as `resunit predict` computes them, and as each library does."""
    arguments = (fold, workload.spec, *workload.shape)
    yield Entry(
        FOLDED, prepare_our_inference, arguments, workload.batch_size, environment=AS_THE_COMMAND_LINE
    )
    for peer in peers:
        yield peer_inference(workload, peer, "default")
        yield peer_inference(workload, peer, "best")


def loading_entries() -> list[Entry]:
    """Return the making of an epoch of image files by resunit and by torchvision, each with a process for each core."""
    return [
        Entry(OURS, prepare_our_loading, (LOADED_BATCH,), FILES, environment=AS_THE_COMMAND_LINE),
        Entry(TORCHVISION, prepare_torchvision_loading, (LOADED_BATCH, available_cores()), FILES),
    ]
