"""The reliability curve of a run: the share of right answers by the probability of the answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from resunit.io.style import BLUE, GREY, lay_out
from resunit.runs.schema import Calibration

if TYPE_CHECKING:
    from plotly.graph_objects import Figure


def draw_calibration(calibration: Calibration) -> Figure:
    """Return the curve, whose dots are larger the more images they stand for, beside the line of agreement."""
    from plotly.graph_objects import Figure

    figure = Figure()
    figure.add_scatter(
        x=[0, 1], y=[0, 1], mode="lines", line={"color": GREY, "dash": "dash", "width": 1.5}, hoverinfo="skip"
    )
    most = max(found.images for found in calibration.bins)
    figure.add_scatter(
        x=[found.probability for found in calibration.bins],
        y=[found.right for found in calibration.bins],
        customdata=[found.images for found in calibration.bins],
        mode="lines+markers",
        line={"color": BLUE, "width": 2.5},
        marker_size=[5 + 13 * (found.images / most) ** 0.5 for found in calibration.bins],
        hovertemplate="probability %{x:.3f}<br>right %{y:.1%}<br>%{customdata:,} images<extra></extra>",
    )
    figure.update_xaxes(title_text="probability of the answer", range=[0, 1.02], zeroline=False)
    figure.update_yaxes(title_text="share of right answers", range=[0, 1.04], zeroline=False)
    lay_out(figure, left=52, top=8, height=420, showlegend=False)
    return figure
