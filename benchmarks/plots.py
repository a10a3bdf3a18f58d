"""The figure of the sweep: speed and memory of training against depth, width, batch size and threads."""

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from benchmarks.entries import CONVOLUTIONS, OURS, SMALL_MODE
from benchmarks.records import Axis, Measurement
from benchmarks.timing import Spread

if TYPE_CHECKING:
    from matplotlib.axes import Axes

AXIS_LABELS: dict[Axis, str] = {
    "depth": "layers",
    "width": "times the channels",
    "batch": "images a step",
    "threads": "threads",
}
STYLES: dict[str, dict[str, Any]] = {  # The limit is a line without marks.
    OURS: {"color": "#3b7dc4", "marker": "o"},
    SMALL_MODE: {"color": "#3b7dc4", "marker": "o", "linestyle": ":", "fillstyle": "none"},
    "pytorchcv best": {"color": "#e07b28", "marker": "s"},
    "pytorchcv default": {"color": "#e07b28", "marker": "s", "linestyle": ":", "fillstyle": "none"},
    CONVOLUTIONS: {"color": "#808890", "linestyle": "--"},
}
LABELS = {
    OURS: "resunit",
    SMALL_MODE: "resunit, activation_checkpointing=small",
    CONVOLUTIONS: "convolutions alone (limit)",
}


def draw_sweep(measurements: Sequence[Measurement]) -> bytes:
    """Draw an SVG of two rows, speed and memory, with a column for each axis of the sweep."""
    import matplotlib
    from matplotlib.figure import Figure

    # The salt makes equal data give equal bytes.
    with matplotlib.rc_context({"svg.hashsalt": "resunit", "font.size": 8}):
        figure = Figure(figsize=(11, 5.2), layout="constrained")
        panels = figure.subplots(2, len(AXIS_LABELS), sharex="col")
        for column, (axis, label) in enumerate(AXIS_LABELS.items()):
            points = [m for m in measurements if m.settings.axis == axis]
            draw(panels[0, column], points, speeds=True)
            draw(panels[1, column], points, speeds=False)
            panels[1, column].set_xlabel(label)
            panels[0, column].set_title(axis)
        panels[0, 0].set_ylabel("training speed, images/s")
        panels[1, 0].set_ylabel("memory of a step, MiB")
        handles, labels = panels[0, 0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=len(STYLES), frameon=False)
        buffer = io.BytesIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    return buffer.getvalue()


def draw(panel: "Axes", points: Sequence[Measurement], speeds: bool) -> None:
    """Draw one line for each entry; speeds come with the range of their rounds."""
    from matplotlib.ticker import LogLocator, StrMethodFormatter

    for entry, style in STYLES.items():
        own = sorted((m for m in points if m.entry == entry), key=place_on_axis)
        if not own or (entry == CONVOLUTIONS and not speeds):
            continue
        places, label = [place_on_axis(m) for m in own], LABELS.get(entry, entry)
        if speeds:
            rates = [Spread.of(m.work / seconds for seconds in m.seconds) for m in own]
            panel.plot(
                places, [rate.median for rate in rates], label=label, linewidth=1.2, markersize=4, **style
            )
            panel.vlines(
                places,
                [rate.least for rate in rates],
                [rate.most for rate in rates],
                style["color"],
                linewidth=1,
            )
        else:
            memory = [(m.details.memory or 0) / 2**20 for m in own]
            panel.plot(places, memory, label=label, linewidth=1.2, markersize=4, **style)
    panel.set_xscale("log", base=2)
    panel.set_yscale("log")
    ticks = sorted({place_on_axis(m) for m in points})
    panel.set_xticks(ticks, [str(tick) for tick in ticks])
    panel.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    panel.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    panel.minorticks_off()
    panel.grid(alpha=0.3)


def place_on_axis(measurement: Measurement) -> int:
    """Return the place of a measurement on its axis."""
    return measurement.settings.value or 0
