"""Subject "sweep": how speed and memory of training grow with depth, width, batch size and threads."""

import os
from collections.abc import Iterator
from dataclasses import replace

from benchmarks.entries import FAST, SMALL, SMALL_MODE, Workload
from benchmarks.peers import PEERS, build_peer_spec
from benchmarks.records import Settings
from benchmarks.session import Session, measure_in_turn, select_installed

BASE, BATCH, IMAGE_SIZE = "preresnet20", 32, 32
DEPTHS = ("preresnet20", "preresnet56", "preresnet110", "preresnet1202")
WIDTHS = (1, 2, 4)
BATCHES = (8, 32, 128, 512)
BATCH_OF_THREADS = 128


def measure(session: Session, *, rounds: int = 2) -> None:
    """Measure pre-activation networks that differ in one quantity at a time.

    The entries are resunit in its two modes, pytorchcv, and the convolutions alone.

    Args:
        session: where measurements and notices go.
        rounds: the number of turns of each entry.
    """
    peers = select_installed([PEERS["pytorchcv"]], session)
    for settings, workload, threads in list_points():
        entries = [
            workload.our_step(activation_checkpointing=FAST),
            workload.our_step(SMALL_MODE, activation_checkpointing=SMALL),
            workload.convolutions(),
        ]
        for peer in peers:
            entries += [workload.peer_step(peer, "default"), workload.peer_step(peer, "best")]
        measure_in_turn(session, "sweep", workload, entries, rounds, threads=threads, settings=settings)


def list_points() -> Iterator[tuple[Settings, Workload, int | None]]:
    """Yield the place on an axis, the workload, and the threads, which are None where torch chooses them."""
    base = build_peer_spec(BASE)
    for name in DEPTHS:
        spec = build_peer_spec(name)
        layers = 2 * sum(spec.depths) + 2
        yield Settings(axis="depth", value=layers), Workload(name, spec, BATCH, IMAGE_SIZE), None
    for width in WIDTHS:
        widths = tuple(width * channels for channels in base.widths)
        spec = replace(base, widths=widths, stem_channels=width * base.stem_channels)
        name = f"{BASE} x{width}" if width > 1 else BASE
        yield Settings(axis="width", value=width), Workload(name, spec, BATCH, IMAGE_SIZE), None
    for batch in BATCHES:
        yield Settings(axis="batch", value=batch), Workload(BASE, base, batch, IMAGE_SIZE), None
    threads, cores = 1, os.cpu_count() or 1
    while threads <= cores:
        workload = Workload(BASE, base, BATCH_OF_THREADS, IMAGE_SIZE)
        yield Settings(axis="threads", value=threads), workload, threads
        threads *= 2
