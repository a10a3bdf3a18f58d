"""Figures, the page and the notebook cell show what was measured."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from plotly.graph_objects import Figure
from torch import nn

import resunit
from resunit.errors import PropagationError, WriteError
from resunit.models.residual_unit import ResidualUnit
from resunit.propagation import Propagation, measure
from resunit.propagation.measure import OnRequest
from resunit.propagation.show.paper_figure import draw_paper_figure
from resunit.propagation.show.web_figure import draw_web_figures
from tests.propagation.toy import X, scaled_network

FULL = pytest.mark.full
PANELS_OF_TOYS = 6  # All but that of truncation, which they have none of, and those on request.


@pytest.mark.parametrize(
    ("ending", "magic"),
    [
        ("png", b"\x89PNG"),
        pytest.param("pdf", b"%PDF", marks=FULL),
        pytest.param("svg", b"<?xml", marks=FULL),
    ],
)
def test_figures_for_paper(ending: str, magic: bytes, tmp_path: Path) -> None:
    path = measure(scaled_network(0.5), X).plot(
        tmp_path / f"picture.{ending}", measure(scaled_network(1.0), X)
    )
    assert path.read_bytes().startswith(magic)
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def layout_of(figure: Figure) -> Any:
    return figure.layout


def own_markup(path: Path) -> str:
    """Return what a page says, without the program of Plotly."""
    return path.read_text().split("<script>")[0]


def test_a_page_that_needs_no_internet_connection(tmp_path: Path) -> None:
    path = measure(scaled_network(0.5), X, name="<b>halves</b>").plot(
        tmp_path / "page.html", measure(scaled_network(1.0), X)
    )
    page = own_markup(path)
    assert "0.5^18 = 3.8e-06" in page
    assert "<b>halves</b>" not in page
    assert page.count('class="figure"') == 2 * PANELS_OF_TOYS
    assert 'src="http' not in page
    assert "Plotly.newPlot" in path.read_text()


def test_a_page_has_the_style_of_all_pages_and_fits_a_narrow_screen(tmp_path: Path) -> None:
    page = own_markup(measure(scaled_network(0.5), X).plot(tmp_path / "page.html"))
    assert "prefers-color-scheme: dark" in page
    assert 'name="viewport"' in page
    assert "min-width: 26rem" not in page


def test_networks_that_are_compared_have_the_same_vertical_axes() -> None:
    rows = draw_web_figures([measure(scaled_network(0.5, 3), X), measure(scaled_network(1.0, 3), X)])
    assert len(rows) == PANELS_OF_TOYS
    for one, other in rows:
        assert layout_of(one).yaxis.range == layout_of(other).yaxis.range
        assert layout_of(one).yaxis.range[0] < layout_of(one).yaxis.range[1]


@pytest.mark.parametrize("scale", [0.5, 0.95, 1.0])
def test_a_short_logarithmic_axis_has_ticks_that_are_numbers(scale: float) -> None:
    (direct,) = draw_web_figures([measure(scaled_network(scale, 4), X)])[2]
    axis = layout_of(direct).yaxis
    low, high = (10**end for end in axis.range)
    assert 3 <= len(axis.tickvals) <= 10
    assert all(low <= value <= high for value in axis.tickvals)
    assert [float(text) for text in axis.ticktext] == pytest.approx(axis.tickvals, rel=1e-3)


def test_stage_boundaries_are_marked_between_junctions() -> None:
    result = measure(resunit.create_model("resnet20"), torch.randn(2, 3, 16, 16))
    assert [junction.stage for junction in result.junctions] == [1, 1, 1, 2, 2, 2, 3, 3, 3]
    beside = measure(scaled_network(0.5, 3), X)
    for figure, unmarked in draw_web_figures([result, beside]):
        assert [(line.x0, line.x1) for line in layout_of(figure).shapes] == [(3.5, 3.5), (6.5, 6.5)]
        assert layout_of(unmarked).shapes == ()
    for axes in draw_paper_figure([result]).axes:
        marks = [np.asarray(line.get_xdata()).tolist() for line in axes.lines if line.get_linestyle() == ":"]
        assert marks == [[3.5, 3.5], [6.5, 6.5]]


@pytest.mark.parametrize("depth", [1, 2, 3, 7, 24])
def test_no_tick_is_between_junctions(depth: int) -> None:
    results = [measure(scaled_network(0.5, depth), X)]
    ticks = [tick for axes in draw_paper_figure(results).axes for tick in axes.get_xticks()]
    assert ticks
    assert all(float(tick).is_integer() for tick in ticks)
    for (figure,) in draw_web_figures(results):
        assert layout_of(figure).xaxis.dtick == (1 if depth <= 10 else None)


def test_no_legend_covers_a_line() -> None:
    figure = draw_paper_figure([measure(scaled_network(0.5, 5), X), measure(scaled_network(1.0, 5), X)])
    figure.draw_without_rendering()  # It places everything.
    legends = [legend for axes in figure.axes if (legend := axes.get_legend())]
    assert len(legends) == 4, "for gradient, direct term, cancellation and the input of weight layers"
    for legend in legends:
        place = legend.get_window_extent()
        assert not any(axes.get_window_extent().overlaps(place) for axes in figure.axes)
        assert figure.bbox.x1 >= place.x1


def test_what_was_measured_is_drawn_and_nothing_else(tmp_path: Path) -> None:
    def page(result: Propagation) -> str:
        return own_markup(result.plot(tmp_path / "page.html"))

    plain = page(measure(scaled_network(1.0, 3), X))
    assert "Gradient, relative to the last junction" in plain
    on_request: list[tuple[str, OnRequest]] = [
        ("Lesion: ", "lesion"), ("Jacobian of the junction: ", "jacobian"), ("Correlation ", "correlation"),
    ]  # fmt: skip
    for title, also in on_request:
        assert title not in plain
        assert title in page(measure(scaled_network(1.0, 3), X, also=[also]))
    assert "Truncation" not in plain
    truncated = nn.Sequential(*(ResidualUnit(nn.Linear(8, 8), after_addition=nn.ReLU()) for _ in range(2)))
    assert "Truncation" in page(measure(truncated, X))


def test_other_endings_are_refused(tmp_path: Path) -> None:
    with pytest.raises(PropagationError, match=r"picture\.gif"):
        measure(scaled_network(0.5), X).plot(tmp_path / "picture.gif")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(WriteError, match=r"absent/picture\.png"):
        measure(scaled_network(0.5), X).plot(tmp_path / "absent" / "picture.png")


def test_a_notebook_shows_words_and_picture() -> None:
    shown = measure(scaled_network(0.5), X)._repr_html_()
    assert "0.5^18" in shown
    assert "data:image/png;base64," in shown
