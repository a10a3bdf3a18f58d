"""docs/performance.md, rendered from the newest records of every subject."""

import re
from pathlib import Path
from typing import Any, NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined

from benchmarks.accuracy import PUBLISHED
from benchmarks.plots import draw_sweep
from benchmarks.records import Measurement, newest
from benchmarks.tables import in_units
from benchmarks.timing import spread
from benchmarks.verdicts import Verdict, verdicts
from resunit.errors import UsageError
from resunit.io.atomic import write_atomically

PAGE, NOTES, FIGURE = "performance.md", "performance.notes.md", "performance.svg"


class Section(NamedTuple):
    """A subject's part of the page; `run` and `machine` are where and when it was measured."""

    title: str
    text: str
    run: str
    machine: dict[str, Any]
    measurements: list[Measurement]
    verdicts: list[Verdict]
    figure: str | None = None


SUBJECTS = {
    "train": (
        "A training step",
        "Beside the peers, and beside what the machine can do: products of large matrices (GEMM), a pass "
        "over memory, and the network's convolutions alone, forward and backward, in the quickest precision "
        "and layout.",
    ),
    "program": (
        "The whole program",
        "`resunit train` by its own log, evaluation excluded, and its bare step on one batch, taking turns.",
    ),
    "growth": (
        "Very deep networks",
        "Seconds of our training step, divided by the number of residual units.",
    ),
    "memory": (
        "Memory",
        "The most bytes resident during training steps, over those once model and optimizer exist. "
        "`activation_checkpointing=fast` stores every map for the backward pass, `activation_checkpointing=small` computes most of them again.",
    ),
    "infer": (
        "Inference",
        "Logits of a batch as `resunit evaluate` computes them. A peer at its best takes the quickest of "
        "fp32 (NCHW or channels-last), bf16 autocast and bf16 weights.",
    ),
    "startup": (
        "Starting",
        "On a warm disk cache. The first training step ends, at the latest, when the checkpoint after it is "
        "on disk.",
    ),
    "accuracy": (
        "Time and arithmetic to an accuracy",
        "Our recipes on CIFAR-10, mean over seeds; ranges are of the seeds. Published results of others: "
        + "; ".join(
            f"{other.name}: {'' if other.accuracy is None else f'{other.accuracy:g} % for '}"
            f"{other.petaflop:g} PFLOP ({other.source})"
            for other in PUBLISHED
        )
        + ".",
    ),
    "sweep": (
        "How cost grows",
        "One thing varied at a time, from a pre-activation network of 20 layers (110 and 1202 for depth) at "
        "batch 32 (128 for threads).",
    ),
}


def write_document(records: Path, docs: Path) -> Path:
    """Render `docs`/performance.md and its figure; raises UsageError if nothing was measured yet."""
    sections = []
    figures: dict[str, bytes] = {}
    for subject, (title, text) in SUBJECTS.items():
        run, measurements = newest(records, subject)
        if not measurements:
            continue
        figure = None
        if subject == "sweep":
            figure, figures[FIGURE] = FIGURE, draw_sweep(measurements)
        shown = [] if subject == "sweep" else measurements
        found = verdicts(subject, measurements)
        sections.append(Section(title, text, run["run"], run["machine"], shown, found, figure))
    if not sections:
        raise UsageError(f"{records} holds no measurements; `resunit bench train` makes the first")
    docs.mkdir(parents=True, exist_ok=True)
    notes = docs / NOTES
    text = render(sections, notes.read_text() if notes.exists() else "")
    for name, content in figures.items():
        write_atomically(docs / name, content)
    write_atomically(docs / PAGE, text.encode())
    return docs / PAGE


def render(sections: list[Section], notes: str) -> str:
    loader = PackageLoader("benchmarks")
    environment = Environment(loader=loader, undefined=StrictUndefined, trim_blocks=True, autoescape=False)
    environment.filters |= {
        "number": number, "goal": goal, "met": met, "settings": settings, "rate": rate, "memory": memory,
        "remarks": remarks,
    }  # fmt: skip
    judged = [verdict for section in sections for verdict in section.verdicts if verdict.met is not None]
    text = environment.get_template(PAGE).render(sections=sections, judged=judged, notes=notes)
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


def number(value: float) -> str:
    return f"{value:.3g}" if value < 100 else f"{value:,.0f}"


def goal(verdict: Verdict) -> str:
    if verdict.goal is None:
        return ""
    return f"{'at most' if verdict.at_most else 'at least'} {verdict.goal:g} {verdict.unit}".strip()


def met(verdict: Verdict) -> str:
    return {True: "met", False: "**not met**", None: ""}[verdict.met]


def settings(measurement: Measurement) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in measurement.settings.items())


def rate(measurement: Measurement) -> str:
    """Work a second; seconds where the work is one run."""
    if not measurement.seconds:
        return ""
    seconds = spread(measurement.seconds).median
    return (
        f"{seconds:.3g} s"
        if measurement.unit == "runs"
        else in_units(measurement.work / seconds, measurement.unit)
    )


def memory(measurement: Measurement) -> str:
    """Of training; it means nothing of a limit."""
    bytes_ = measurement.details.get("memory")
    if bytes_ is None or measurement.unit != "images":
        return ""
    return f"{bytes_ / 2**20:,.0f} MiB"


def remarks(measurement: Measurement) -> str:
    told = ("precision", "layout", "stored", "sgd", "way", "data", "test_errors")
    return "; ".join(
        f"{name.replace('_', ' ')} {measurement.details[name]}"
        for name in told
        if name in measurement.details
    )
