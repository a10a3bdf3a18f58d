"""The pictures of the signal on a run's page."""

from itertools import pairwise
from typing import Any

from resunit.reports.propagation_figure import DRAWN_MEASURES, draw_propagation
from resunit.runs.schema import PropagationLine


def test_the_measures_stand_below_each_other_so_that_nothing_overlaps_on_a_narrow_screen() -> None:
    values = {measure.name: (0.5, 0.25) for measure in DRAWN_MEASURES}
    figure = draw_propagation([PropagationLine(step, 0.0, ("a", "b"), values) for step in (0, 10)])
    assert figure is not None
    drawn: dict[str, Any] = figure.to_dict()
    numbers = ["", *range(2, len(DRAWN_MEASURES) + 1)]
    assert {tuple(drawn["layout"][f"xaxis{number}"]["domain"]) for number in numbers} == {(0.0, 1.0)}
    heights = [drawn["layout"][f"yaxis{number}"]["domain"] for number in numbers]
    assert all(below[1] < above[0] for above, below in pairwise(heights))
    for heat_map, (low, high) in zip(drawn["data"], heights, strict=True):
        bar = heat_map["colorbar"]
        assert abs(bar["y"] - (low + high) / 2) < 1e-9
        assert bar["len"] <= high - low + 1e-9
    titles = [(title["text"], title["x"], title["xanchor"]) for title in drawn["layout"]["annotations"]]
    assert titles == [(measure.title, 0, "left") for measure in DRAWN_MEASURES]
