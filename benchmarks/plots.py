"""Speed and memory of training against depth, width, batch and threads: ours, a peer and the limit."""

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from benchmarks.contest import CONVOLUTIONS, OURS, SMALL_MODE
from benchmarks.records import Measurement
from benchmarks.timing import spread

if TYPE_CHECKING:
    from matplotlib.axes import Axes

AXES = {"depth": "layers", "width": "times the channels", "batch": "images a step", "threads": "threads"}
STYLES: dict[str, dict[str, Any]] = {  # ours, peers, and the limit as a line without marks
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
    """An SVG of two rows, speed and memory, with a column for each thing that was varied."""
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context({"svg.hashsalt": "resunit", "font.size": 8}):  # equal data, equal bytes
        figure = Figure(figsize=(11, 5.2), layout="constrained")
        panels = figure.subplots(2, len(AXES), sharex="col")
        for column, (axis, label) in enumerate(AXES.items()):
            points = [m for m in measurements if m.settings.get("axis") == axis]
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
    """A line for each contestant; speeds with the range of their rounds."""
    from matplotlib.ticker import LogLocator, StrMethodFormatter

    for contestant, style in STYLES.items():
        own = sorted((m for m in points if m.contestant == contestant), key=lambda m: m.settings["value"])
        if not own or (contestant == CONVOLUTIONS and not speeds):
            continue
        places, label = [m.settings["value"] for m in own], LABELS.get(contestant, contestant)
        if speeds:
            rates = [spread(m.work / seconds for seconds in m.seconds) for m in own]
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
            memory = [m.details["memory"] / 2**20 for m in own]
            panel.plot(places, memory, label=label, linewidth=1.2, markersize=4, **style)
    panel.set_xscale("log", base=2)
    panel.set_yscale("log")
    ticks = sorted({m.settings["value"] for m in points})
    panel.set_xticks(ticks, [str(tick) for tick in ticks])
    panel.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    panel.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    panel.minorticks_off()
    panel.grid(alpha=0.3)
