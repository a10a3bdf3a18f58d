"""docs/performance.md, rendered from the newest records of every subject."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined

from benchmarks.accuracy import PUBLISHED, PublishedResult
from benchmarks.plots import draw_sweep
from benchmarks.records import BenchmarkMachine, Measurement, read_newest_records
from benchmarks.tables import format_rate, list_given
from benchmarks.targets import TargetCheck, check_targets
from benchmarks.timing import Spread
from resunit.errors import UsageError
from resunit.io.atomic import write_atomically

PAGE, NOTES, FIGURE = "performance.md", "performance.notes.md", "performance.svg"


@dataclass(frozen=True)
class Section:
    """The part of the page that shows one subject on one kind of processor.

    `started` and `machine` are of its newest benchmark there.
    """

    title: str
    text: str
    started: str
    machine: BenchmarkMachine
    measurements: list[Measurement]
    checks: list[TargetCheck]
    figure: str | None = None


class Heading(NamedTuple):
    """The title of a section, and the text below it: one sentence a line."""

    title: str
    text: str


def describe_published(result: PublishedResult) -> str:
    """Return a published result as a clause: name, accuracy, arithmetic and source."""
    accuracy = "" if result.accuracy_percent is None else f"{result.accuracy_percent:g} % for "
    return f"{result.name}: {accuracy}{result.petaflop:g} PFLOP ({result.source})"


HEADINGS = {
    "train": Heading(
        "A training step",
        "A training step of resunit is compared with the steps of other libraries and with limits of the machine.\n"
        "The limits are products of large matrices (GEMM), one pass over memory, and the convolutions alone.\n"
        "torch computes these convolutions, so a share above 1 is possible where resunit has a kernel of its own.\n"
        "They run forward and backward in the quickest precision and layout.",
    ),
    "program": Heading(
        "The whole program",
        "`resunit train` and its bare step on one batch take turns.\n"
        "The speed of `resunit train` is the speed in its log, which excludes evaluation.",
    ),
    "growth": Heading(
        "Very deep networks",
        "The seconds of a training step of resunit are divided by the number of residual units.",
    ),
    "memory": Heading(
        "Memory",
        "Memory is the most bytes resident during training steps, less the bytes of the model and the optimizer.\n"
        "`activation_checkpointing=fast` stores all activations for the backward pass.\n"
        "`activation_checkpointing=small` computes most of them again.",
    ),
    "infer": Heading(
        "Inference",
        "Each entry computes the logits of a batch; resunit does so as `resunit evaluate` and `resunit predict` do.\n"
        "A library at its best takes the quickest of fp32 (NCHW or channels-last), bf16 autocast and bf16 weights.",
    ),
    "serving": Heading(
        "Serving",
        "Each entry computes the logits of a batch of bytes, on all cores, one batch after the other.\n"
        "The entry called resunit folded is the network as `resunit predict` computes it.\n"
        "ONNX Runtime and OpenVINO compute the files that `resunit export --with-preprocessing nchw` writes, "
        "in 8-bit integers those of `--int8`.\n"
        "A ratio above 1 says that resunit is faster than the faster of the two.",
    ),
    "busy": Heading(
        "A busy machine",
        "In each round, every entry has a turn on an idle machine, beside one busy core and beside a second training.\n"
        "The busy core is a Python loop.\n"
        "The second training is pre-act 20 of pytorchcv at batch size 128, as its users run it.\n"
        "`resunit` has `GOMP_SPINCOUNT=1000`, which its command line sets: a waiting thread soon gives its core away.\n"
        "Without this setting, as Python code has it, the entry is called `resunit, threads spinning`.\n"
        "Data loading makes an epoch of batches of 32 random crops of 224 pixels from 1,024 JPEG files of 256 pixels.\n"
        "It has a process for each core, in resunit and in torchvision.",
    ),
    "startup": Heading(
        "Starting",
        "All files are in the disk cache.\n"
        "The time to the first training step ends when the checkpoint after that step is on disk.",
    ),
    "watch": Heading(
        "Measuring the propagation",
        "One measurement is compared with a forward and a backward pass of the same network on the same batch.\n"
        "A training with `watch_propagation` is compared with the same training without it.",
    ),
    "gpu": Heading(
        "On a GPU",
        "`resunit captured` is a training step as `resunit train` repeats it, with data, augmentation and bf16.\n"
        "`resunit uncaptured` is the same step, started by the host operator by operator (`--no-capture`).\n"
        "With units compiled, torch.compile has compiled each residual unit of the captured step (`--compile`).\n"
        "The own loop trains the network of resunit on one batch that lies on the GPU; pytorchcv trains its own.\n"
        "Their default is fp32 with torch's settings; at their best they are channels-last, with bf16 autocast and "
        "fused SGD.",
    ),
    "accuracy": Heading(
        "Time and arithmetic to an accuracy",
        "The recipes of resunit are trained on CIFAR-10; the tables give means and ranges over seeds.\n"
        f"Others have published these results: {'; '.join(map(describe_published, PUBLISHED))}.",
    ),
    "sweep": Heading(
        "How cost grows",
        "One quantity is varied at a time.\n"
        "The base is a pre-activation network of 20 layers at batch size 32; threads are varied at batch size 128.",
    ),
}


def write_document(records: Path, docs: Path) -> Path:
    """Render `docs`/performance.md and its figure from the records in the folder `records`.

    The notes in `docs`/performance.notes.md, which are written by hand, stand at the end of the page.

    Raises:
        UsageError: nothing was measured yet.
        FileFormatError: a record is damaged or of a newer format.
    """
    sections = []
    figures: dict[str, bytes] = {}
    for subject, heading in HEADINGS.items():
        by_instructions = read_newest_records(records, subject)
        for instructions, newest in sorted(by_instructions.items(), reverse=True):
            measurements, figure = [record.measurement for record in newest], None
            is_first = instructions == max(by_instructions)
            if subject == "sweep" and is_first:
                figure, figures[FIGURE] = FIGURE, draw_sweep(measurements)
            sections.append(
                Section(
                    title=heading.title if len(by_instructions) == 1 else f"{heading.title}, {instructions}",
                    text=heading.text if is_first else "",
                    started=newest[0].started,
                    machine=newest[0].machine,
                    measurements=[] if subject == "sweep" else measurements,
                    checks=check_targets(subject, measurements),
                    figure=figure,
                )
            )
    if not sections:
        raise UsageError(f"{records} holds no measurements; `python -m benchmarks train` makes the first")
    docs.mkdir(parents=True, exist_ok=True)
    notes = docs / NOTES
    text = render(sections, notes.read_text() if notes.exists() else "")
    for name, content in figures.items():
        write_atomically(docs / name, content)
    write_atomically(docs / PAGE, text.encode())
    return docs / PAGE


def render(sections: list[Section], notes: str) -> str:
    """Return the page as Markdown."""
    loader = PackageLoader("benchmarks")
    environment = Environment(loader=loader, undefined=StrictUndefined, trim_blocks=True, autoescape=False)
    environment.filters |= {
        "number": format_number, "target": format_target, "met": format_met,
        "settings": format_settings, "speed": format_speed, "memory": format_memory, "details": format_details,
    }  # fmt: skip
    targeted = [check for section in sections for check in section.checks if check.met is not None]
    text = environment.get_template(PAGE).render(sections=sections, targeted=targeted, notes=notes)
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


def format_number(value: float) -> str:
    """Return a number to three digits; from 100 on, as a whole number."""
    return f"{value:.3g}" if value < 100 else f"{value:,.0f}"


def format_target(check: TargetCheck) -> str:
    """Return the target with its unit: ``at least 1.15 x``."""
    if check.target is None:
        return ""
    return f"{'at most' if check.at_most else 'at least'} {check.target:g} {check.unit}".strip()


def format_met(check: TargetCheck) -> str:
    """Return whether the target is met, in words; an empty text without a target."""
    return {True: "met", False: "**not met**", None: ""}[check.met]


def format_settings(measurement: Measurement) -> str:
    """Return the settings that apply, by their names."""
    return ", ".join(
        f"{name.replace('_', ' ')} {value}" for name, value in list_given(measurement.settings).items()
    )


def format_speed(measurement: Measurement) -> str:
    """Return the median rate, or the median seconds where the work is one run."""
    if not measurement.seconds:
        return ""
    seconds = Spread.of(measurement.seconds).median
    if measurement.unit == "runs":
        return f"{seconds:.3g} s"
    return format_rate(measurement.work / seconds, measurement.unit)


def format_memory(measurement: Measurement) -> str:
    """Return the memory of an entry that processes images; the memory of a limit means nothing."""
    bytes_ = measurement.details.memory
    if bytes_ is None or measurement.unit != "images":
        return ""
    return f"{bytes_ / 2**20:,.0f} MiB"


def format_details(measurement: Measurement) -> str:
    """Return the details that explain a measurement."""
    details = measurement.details
    told = {
        "precision": details.precision,
        "layout": details.layout,
        "activation checkpointing": details.activation_checkpointing,
        "SGD": details.sgd,
        "execution": details.execution,
        "data": details.data,
        "test errors": details.accuracy and ", ".join(f"{error:g} %" for error in details.accuracy.plain),
    }
    return "; ".join(f"{name} {value}" for name, value in told.items() if value is not None)
