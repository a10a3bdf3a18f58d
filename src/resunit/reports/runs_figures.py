"""Figures of compared runs: all curves in one plot, and the error against the field that a sweep varies."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from statistics import fmean
from typing import TYPE_CHECKING, Any

from resunit.io.format import escape_markup, format_field_value
from resunit.io.style import BLUE, COLOURS_OF_RUNS, MOST_MARKERS, lay_out
from resunit.reports.compared_run import ComparedRun, is_number
from resunit.runs.read import is_finite

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

LONGEST_NAME_IN_CHARACTERS = 40
PLOT_PIXELS, LEGEND_LINE_PIXELS = 420, 20

# A sweep over a wider range than this has a logarithmic axis.
WIDE_RANGE = 8


def draw_overlaid_curves(runs: Sequence[ComparedRun]) -> Figure | None:
    """Return the errors of all runs by step in one plot with a legend; None if no run has a curve.

    Training errors are dashed and thin. A click on a run's name hides both of its lines.
    """
    from plotly.graph_objects import Figure

    with_curve = [run for run in runs if any(is_finite(point.test_error) for point in run.curve)]
    if not with_curve:
        return None
    figure = Figure()
    for place, run in enumerate(with_curve):
        colour, name = COLOURS_OF_RUNS[place % len(COLOURS_OF_RUNS)], _escape_name(run.name)
        for is_training in (True, False):
            errors = [point.train_error if is_training else point.test_error for point in run.curve]
            figure.add_scatter(
                x=[point.step for point in run.curve],
                y=[error if is_finite(error) else None for error in errors],
                name=name,
                legendgroup=str(place),
                showlegend=not is_training,
                mode="lines" if is_training or len(errors) > MOST_MARKERS else "lines+markers",
                marker={"size": 5},
                line={"color": colour, "width": 1.2 if is_training else 2.2,
                      "dash": "dash" if is_training else "solid"},
                opacity=0.7 if is_training else 1.0,
                hovertemplate=f"{name}<br>step %{{x}}: %{{y:.2f}} % "
                f"{'training' if is_training else 'evaluation'} error<extra></extra>",
            )  # fmt: skip
    figure.update_xaxes(title_text="step", rangemode="tozero")
    figure.update_yaxes(title_text="error (%)", rangemode="tozero")
    height = PLOT_PIXELS + LEGEND_LINE_PIXELS * len(with_curve)
    legend = {"orientation": "h", "y": -0.16, "yanchor": "top", "x": 0}
    lay_out(figure, left=48, top=16, height=height, legend=legend)
    return figure


def draw_sweep(runs: Sequence[ComparedRun], field: str, alone: bool) -> Figure:
    """Return the error of each run against the value of a field.

    Args:
        runs: the runs; those without an error or without the field are left out.
        field: the field that the sweep varies.
        alone: whether nothing but this field and the seed differs, so that a line through the means over seeds
            makes sense.
    """
    from plotly.graph_objects import Figure

    drawn = [run for run in runs if is_finite(run.error) and run.states(field)]
    are_numbers = all(is_number(run.value(field)) for run in drawn)
    values: list[Any] = [
        run.value(field) if are_numbers else escape_markup(format_field_value(run.value(field)))
        for run in drawn
    ]
    figure = Figure()
    if alone and are_numbers:
        by_value: dict[float, list[float]] = defaultdict(list)
        for value, run in zip(values, drawn, strict=True):
            by_value[value].append(run.error or 0.0)
        means = {value: fmean(errors) for value, errors in sorted(by_value.items())}
        figure.add_scatter(x=list(means), y=list(means.values()), mode="lines", hoverinfo="skip",
                           line={"color": BLUE, "width": 1.5})  # fmt: skip
    figure.add_scatter(
        x=values,
        y=[run.error for run in drawn],
        text=[_escape_name(run.name) for run in drawn],
        mode="markers",
        marker={"size": 9, "color": BLUE, "opacity": 0.75},
        hovertemplate="%{text}<br>%{x}: %{y:.2f} %<extra></extra>",
    )
    figure.update_xaxes(title_text=field.replace("_", " "))
    if are_numbers and drawn:
        places = sorted(set(values))
        is_wide = places[0] > 0 and places[-1] / places[0] >= WIDE_RANGE
        figure.update_xaxes(type="log" if is_wide else "linear")
        if len(places) <= 12:
            figure.update_xaxes(tickvals=places, ticktext=[format_field_value(place) for place in places])
    else:
        figure.update_xaxes(type="category")
    splits = {run.split for run in drawn}
    figure.update_yaxes(title_text=f"{splits.pop()} error (%)" if len(splits) == 1 else "error (%)")
    lay_out(figure, left=52, top=16, bottom=48, height=380, showlegend=False)
    return figure


def _escape_name(name: str) -> str:
    """Return a run's name as plotly shows it, without its beginning if it is long."""
    short = name if len(name) <= LONGEST_NAME_IN_CHARACTERS else f"…{name[1 - LONGEST_NAME_IN_CHARACTERS :]}"
    return escape_markup(short)
