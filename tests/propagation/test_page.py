"""The page of a measurement in a browser: its answer, its panels and its table of junctions."""

from pathlib import Path

import pytest
import torch

import resunit
from resunit.io.format import to_two_digits
from resunit.propagation import Propagation, measure
from resunit.propagation.show.junction_table import make_junction_table
from tests.propagation.toy import X, known, scaled_network
from tests.reports.conftest import OpenPage, Scheme

FULL = pytest.mark.full


@pytest.fixture(scope="module")
def compared() -> tuple[Propagation, Propagation]:
    torch.manual_seed(0)
    images = torch.randn(2, 3, 16, 16)
    names = ("resnet20", "preresnet20")
    one, other = (measure(resunit.create_model(name), images, name=name) for name in names)
    return one, other


@pytest.mark.parametrize(
    ("width", "scheme"),
    [
        pytest.param(400, "light", marks=FULL),
        (420, "dark"),
        pytest.param(1400, "light", marks=FULL),
        pytest.param(1400, "dark", marks=FULL),
    ],
)
def test_both_networks_stand_side_by_side_on_every_screen(
    compared: tuple[Propagation, Propagation], tmp_path: Path, open_page: OpenPage, width: int, scheme: Scheme
) -> None:
    path = compared[0].plot(tmp_path / "both.html", compared[1])
    with open_page(path, width, scheme) as page:
        page.wait_for_selector(".figure .main-svg")
        panels = page.locator(".panel").all()
        assert len(panels) == 7
        for panel in panels:
            assert panel.locator("figcaption").all_inner_texts() == ["resnet20", "preresnet20"]
            boxes = [figure.bounding_box() for figure in panel.locator(".figure").all()]
            (one, other) = (box for box in boxes if box is not None)
            assert one["y"] == other["y"]
            assert one["x"] + one["width"] <= other["x"]
            assert other["x"] + other["width"] <= width
            assert one["width"] > 0.35 * min(width, 1000)


@FULL
def test_the_answer_begins_with_the_verdict(
    compared: tuple[Propagation, Propagation], tmp_path: Path, open_page: OpenPage
) -> None:
    with open_page(compared[0].plot(tmp_path / "page.html", compared[1]), 1400, "light") as page:
        assert page.locator(".verdict").all_inner_texts() == [result.verdict.sentence for result in compared]
        for place, result in zip(page.locator(".networks > div").all(), compared, strict=True):
            items = place.locator("li").all_inner_texts()
            assert items == [*result.evidence, *result.remedies]
            assert place.inner_text().endswith(result.summary)


def test_the_table_of_junctions_sorts_by_the_direct_term(
    compared: tuple[Propagation, Propagation], tmp_path: Path, open_page: OpenPage
) -> None:
    junctions = compared[0].junctions
    with open_page(compared[0].plot(tmp_path / "page.html"), 1400, "light") as page:
        names = page.locator("table.sortable tbody th")
        assert names.all_inner_texts() == [junction.name for junction in junctions]
        page.get_by_role("button", name="direct_gain").click()
        ascending = sorted(junctions, key=lambda junction: known(junction.direct_gain))
        assert names.all_inner_texts() == [junction.name for junction in ascending]


def test_the_table_has_a_row_for_each_junction_and_a_column_for_each_measure() -> None:
    result = measure(scaled_network(0.5, 3), X, also=["lesion"])
    table = make_junction_table(result.junctions)
    cells = [dict(zip(table.headings, row, strict=True)) for row in table.rows]
    for number, (row, junction) in enumerate(zip(cells, result.junctions, strict=True), start=1):
        assert (row["junction"].text, row["number"].key, row["stage"].key) == (junction.name, number, 1)
        assert row["direct_gain"].key == junction.direct_gain
        assert row["direct_gain"].text == to_two_digits(known(junction.direct_gain))
        assert row["lesion"].key == junction.loss_change
        assert row["h"].text == "scale (mul)"
        assert row["f"].text == "none"
    assert "Jacobian" not in table.headings
    assert "energy cut" not in table.headings
