"""How speed and memory of training grow with depth, width, batch and threads."""

import os
from collections.abc import Iterator
from dataclasses import replace

from benchmarks.contest import FAST, SMALL, SMALL_MODE, Network, Report, contest, installed
from benchmarks.peers import PEERS, spec_of_peers

BASE, BATCH, IMAGE_SIZE = "preresnet20", 32, 32
DEPTHS = ("preresnet20", "preresnet56", "preresnet110", "preresnet1202")
WIDTHS = (1, 2, 4)
BATCHES = (8, 32, 128, 512)


def measure(report: Report, *, rounds: int = 2) -> None:
    """Pre-activation networks with one thing varied at a time: ours, pytorchcv's, the convolutions alone."""
    peers = installed([PEERS["pytorchcv"]], report)
    for axis, value, network, threads in points():
        ours = [network.ours(memory=FAST), network.ours(SMALL_MODE, memory=SMALL)]
        entries = [*ours, network.convolutions()]
        for peer in peers:
            entries += [network.theirs(peer, "default"), network.theirs(peer, "best")]
        settings = {"axis": axis, "value": value}
        contest(report, "sweep", network, entries, rounds, threads=threads, settings=settings)


def points() -> Iterator[tuple[str, int, Network, int | None]]:
    """Axis, value on it, network, threads (None: as many as torch takes by itself)."""
    base = spec_of_peers(BASE)
    for name in DEPTHS:
        spec = spec_of_peers(name)
        yield "depth", 2 * sum(spec.depths) + 2, Network(name, spec, BATCH, IMAGE_SIZE), None
    for width in WIDTHS:
        widths = tuple(width * channels for channels in base.widths)
        spec = replace(base, widths=widths, stem_channels=width * base.stem_channels)
        yield (
            "width",
            width,
            Network(f"{BASE} x{width}" if width > 1 else BASE, spec, BATCH, IMAGE_SIZE),
            None,
        )
    for batch in BATCHES:
        yield "batch", batch, Network(BASE, base, batch, IMAGE_SIZE), None
    threads, cores = 1, os.cpu_count() or 1
    while threads <= cores:
        yield "threads", threads, Network(BASE, base, 128, IMAGE_SIZE), threads
        threads *= 2
