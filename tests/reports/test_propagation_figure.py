from resunit.reports.propagation_figure import DRAWN_MEASURES, propagation_figure
from resunit.runs.schema import PropagationLine


def test_the_measures_stand_below_each_other_so_that_nothing_overlaps_on_a_narrow_screen() -> None:
    values = {measure.name: (0.5, 0.25) for measure in DRAWN_MEASURES}
    figure = propagation_figure([PropagationLine(step, 0.0, ("a", "b"), values) for step in (0, 10)])
    assert figure is not None
    rows = [figure.get_subplot(row, 1) for row in range(1, len(DRAWN_MEASURES) + 1)]
    assert {row.xaxis.domain for row in rows} == {(0.0, 1.0)}
    bars = [
        (map_.colorbar.y - map_.colorbar.len / 2, map_.colorbar.y + map_.colorbar.len / 2)
        for map_ in figure.data
    ]
    for (low, high), row, above in zip(bars, rows, [None, *rows], strict=False):
        assert row.yaxis.domain[0] <= low + 1e-9
        assert high - 1e-9 <= row.yaxis.domain[1]
        assert above is None or row.yaxis.domain[1] < above.yaxis.domain[0]
    titles = [(title.text, title.x, title.xanchor) for title in figure.layout.annotations]
    assert titles == [(measure.title, 0, "left") for measure in DRAWN_MEASURES]
