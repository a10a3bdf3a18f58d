"""Measure the tables of docs/propagation.md again: python -m tools.propagation_tables [TABLE ...]

TABLE is normal, networks, designs, blocks, mixing or cost; without it all tables are measured. The networks and
blocks come from tests/propagation; the packages of the extra `dev` must be installed.
"""

import itertools
import re
import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable
from operator import itemgetter
from pathlib import Path
from typing import NamedTuple

import torch
from torch import nn
from torch.nn.functional import cross_entropy

import resunit
from resunit.inference.subjects import find_subject, measure_subject
from resunit.io.format import to_two_digits
from resunit.models.designs import DESIGNS
from resunit.propagation import Instrument, Propagation, measure, measure_mixing
from tests.propagation.blocks import WIDTH, HyperNetwork, PostLN, PreLN, deep_norm, step, transformer
from tests.propagation.networks import DESIGN_KINDS, NETWORKS

DOCUMENT = Path(__file__).parent.parent / "docs" / "propagation.md"


class NormalMeasure(NamedTuple):
    """A row of the table of what is normal.

    Attributes:
        measure: the attribute of a junction.
        which: the words for `choose`.
        choose: the function that takes one number from those of all junctions.
        healthy: the range of networks that train well.
    """

    measure: str
    which: str
    choose: Callable[[list[float]], float]
    healthy: tuple[float, float]


NORMAL = (
    NormalMeasure("direct_gain", "smallest", min, (0.5, 1.05)),
    NormalMeasure("gradient_gain", "at the first junction", itemgetter(0), (0.1, 1000)),
    NormalMeasure("stream_rms", "smallest", min, (0.01, 100)),
    NormalMeasure("stream_rms", "largest", max, (0.01, 100)),
    NormalMeasure("branch_share", "median", statistics.median, (0.01, 0.5)),
    NormalMeasure("energy_cut", "median", statistics.median, (0, 0.1)),
    NormalMeasure("cancellation_share", "largest", max, (0, 0.1)),
    NormalMeasure("headroom_fp16", "smallest", min, (4, 30)),
)


def normal_row(row: NormalMeasure, results: Iterable[Propagation]) -> str:
    """Return a row of the table of what is normal; a network without the measure has an empty cell."""
    cells = []
    for result in results:
        # A junction that changes the size, at the beginning of a stage, has its own scale.
        found = [getattr(j, row.measure) for j in result.junctions if j.effective_lambda is not None]
        known = [value for value in found if value is not None]
        cells.append(to_two_digits(row.choose(known)) if known else "")
    low, high = row.healthy
    return f"| `{row.measure}`, {row.which} | {low:g} to {high:g} | {' | '.join(cells)} |"


KINDS = ("identity", "scale", "gate", "projection", "operations")
DEPTH = 24  # junctions of the transformers and layers of the networks that mix streams
TIMED_ROUNDS = 5


def kinds_row(library: str, name: str, kinds: dict[str, int]) -> str:
    """Return the row of a network: its library, its name and its junctions by kind."""
    counts = " | ".join(str(kinds.get(kind, "")) for kind in KINDS)
    return f"| {library} | {name} | {sum(kinds.values())} | {counts} |"


def kinds_found(model: nn.Module, inputs: object) -> dict[str, int]:
    """Return how many junctions of each kind the instrument finds."""
    return dict(Counter(junction.kind for junction in Instrument(model).detect(inputs).junctions))


def networks() -> list[str]:
    """Return the table of the junctions in networks of other libraries and of our designs."""
    rows = [f"| library | network | junctions | {' | '.join(KINDS)} |", "|---" * 8 + "|"]
    rows += [kinds_row(network.library, network.name, kinds_found(*network.build())) for network in NETWORKS]
    for design in DESIGN_KINDS:
        model = resunit.create_model("resnet20", design=design)
        kinds = kinds_found(model, torch.randn(2, 3, 16, 16))
        rows.append(kinds_row("resunit", f"resnet20, {design}", kinds))
    return rows


def designs() -> list[str]:
    """Return the table of the paper's designs at depth 110, at initialisation."""
    rows = [
        "| design | direct term, h alone | with f | smallest <rest, direct> / <direct, direct> "
        "| gradient | energy cut | weight layers take, rms |",
        "|---" * 7 + "|",
    ]
    for design in (name for name, row in DESIGNS.items() if row.of_the_paper):
        junctions = measure_subject(find_subject("resnet110", design=design)).junctions
        stage = [junction for junction in junctions if junction.stage == 1]
        second = stage[1]
        cuts = [junction.energy_cut for junction in stage if junction.energy_cut is not None]
        taken = [junction.weight_input_rms for junction in junctions if junction.weight_input_rms is not None]
        numbers = (
            second.shortcut_gain,
            second.direct_gain,
            second.cancellation_min,
            second.gradient_gain,
            statistics.median(cuts) if len(cuts) == len(stage) else None,  # f cuts nothing: it is no ReLU.
        )
        columns = ["" if value is None else to_two_digits(value) for value in numbers]
        columns.append(f"{to_two_digits(min(taken))} to {to_two_digits(max(taken))}")
        rows.append(f"| {design} | {' | '.join(columns)} |")
    return rows


def normal() -> list[str]:
    """Return the table of what is normal: ranges, and healthy and unhealthy networks at initialisation."""
    tokens, weights = torch.randn(2, 4, 16, WIDTH)
    subjects = {
        "full pre-activation": ("resnet110", "full-preactivation"),
        "original": ("resnet110", "original"),
        "constant scaling": ("resnet110", "constant-scaling"),
        "plain": ("resnet110", "plain"),
    }
    results = {
        "Pre-LN": measure(
            transformer(DEPTH // 2, PreLN), tokens, loss=lambda output, _: (output * weights).sum()
        )
    }
    results |= {
        name: measure_subject(find_subject(of, design=design)) for name, (of, design) in subjects.items()
    }
    rows = [f"| measure | healthy | {' | '.join(results)} |", "|---" * (2 + len(results)) + "|"]
    rows.append(f"| verdict | direct | {' | '.join(result.verdict.kind for result in results.values())} |")
    return [*rows, *(normal_row(row, results.values()) for row in NORMAL)]


def blocks() -> list[str]:
    """Return the table of the direct path and the gradient in blocks of transformers, at initialisation."""
    rows = [
        f"| {DEPTH // 2} blocks, {DEPTH} junctions | lambda | direct term "
        "| gradient, first | branch share, last |",
        "|---" * 5 + "|",
    ]
    networks = {
        "Pre-LN": transformer(DEPTH // 2, PreLN),
        "Post-LN": transformer(DEPTH // 2, PostLN),
        "DeepNorm": deep_norm(DEPTH // 2),
    }
    tokens, weights = torch.randn(2, 4, 16, WIDTH)
    for name, network in networks.items():
        # The mean square of what a norm returns has hardly any gradient.
        first, *_, last = measure(network, tokens, loss=lambda output, _: (output * weights).sum()).junctions
        numbers = (
            first.effective_lambda,
            first.direct_gain,
            first.gradient_gain,
            last.branch_share,
        )
        rows.append(
            f"| {name} | {' | '.join(to_two_digits(value) for value in numbers if value is not None)} |"
        )
    return rows


def mixing() -> list[str]:
    """Return the table of the growth through mixed streams."""
    rows = [
        f"| {DEPTH} layers, 4 streams | largest row sum of the product | largest column sum | closure |",
        "|---" * 4 + "|",
    ]
    for name, constrained in {"hyper-connections": False, "with doubly stochastic mixing": True}.items():
        last = measure_mixing(HyperNetwork(DEPTH, constrained), torch.randn(4, 16, WIDTH), step)[-1]
        numbers = last.product_row_sum, last.product_column_sum, last.closure_error
        rows.append(f"| {name} | {' | '.join(map(to_two_digits, numbers))} |")
    return rows


def cost() -> list[str]:
    """Return the table of the time of a measurement beside a plain forward and backward pass.

    Each time is the shortest of `TIMED_ROUNDS` rounds. A measurement is timed with known junctions, and by
    `measure`, which finds the junctions first.
    """
    rows = [
        f"| ResNet-110, 32 images, {torch.get_num_threads()} thread(s) | plain, s | measured, s | ratio "
        "| `measure`, s | ratio |",
        "|---" * 6 + "|",
    ]
    images = torch.randn(32, 3, 32, 32).contiguous(memory_format=torch.channels_last)
    targets = torch.randint(0, 10, (32,))
    for design in ("original", "full-preactivation", "exclusive-gating"):
        model = resunit.create_model("resnet110", design=design).to(memory_format=torch.channels_last)
        instrument = Instrument(model)
        instrument.measure(images, targets)
        rounds = []
        for _ in range(TIMED_ROUNDS):
            marks = [time.perf_counter()]
            cross_entropy(model(images), targets).backward()
            marks.append(time.perf_counter())
            instrument.measure(images, targets)
            marks.append(time.perf_counter())
            measure(model, images, targets)
            marks.append(time.perf_counter())
            rounds.append([after - before for before, after in itertools.pairwise(marks)])
        plain, *measured_in = map(min, zip(*rounds, strict=True))
        columns = [f"{seconds:.2f} | {seconds / plain:.2f}" for seconds in measured_in]
        rows.append(f"| {design} | {plain:.2f} | {' | '.join(columns)} |")
    return rows


TABLES = {
    "normal": normal,
    "networks": networks,
    "designs": designs,
    "blocks": blocks,
    "mixing": mixing,
    "cost": cost,
}


def main() -> None:
    """Write the named tables, or all, into docs/propagation.md."""
    names = sys.argv[1:] or list(TABLES)
    if unknown := [name for name in names if name not in TABLES]:
        sys.exit(f"unknown table {unknown[0]!r}; known: {', '.join(TABLES)}")
    text = DOCUMENT.read_text()
    for name in names:
        torch.manual_seed(0)
        content = "\n".join(TABLES[name]())
        place = re.compile(rf"(<!-- table: {name} -->\n).*?(<!-- end -->)", re.DOTALL)
        text, found = place.subn(rf"\g<1>{content}\n\g<2>", text)
        if found != 1:
            sys.exit(f"{DOCUMENT}: has no place for the table {name!r}; add the comments around it")
    DOCUMENT.write_text(text)


if __name__ == "__main__":
    main()
