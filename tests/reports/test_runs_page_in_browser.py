from pathlib import Path

import pytest

from resunit.reports.costs import Cost
from resunit.reports.curves import Curve, Plot
from resunit.reports.paper_comparison import ComparisonRow, PaperComparison, VerdictRow
from resunit.reports.runs_comparison import compare_runs
from resunit.reports.runs_page import render_runs_page
from resunit.runs.schema import CurvePoint
from tests.reports.compared_runs import compared
from tests.reports.conftest import OpenPage, Scheme

pytestmark = pytest.mark.full
HOSTILE = "<img src=x onerror=alert(1)>"
POINTS = [
    CurvePoint(step, train_error=90 - step / 10, test_error=91 - step / 9) for step in range(20, 401, 20)
]


def a_page() -> str:
    rows = (
        ComparisonRow("scaling: shortcut 0.5, branch 1", (89.7, 90.0), "at chance after 400 steps", "fail"),
        ComparisonRow(HOSTILE, (), "not run", 6.61, "another paper's method"),
    )
    claim = VerdictRow(
        statement="identity is better",
        source="Table 1",
        verdict="not held",
        numbers="difference +3 [-1, +7]; `resunit` " * 4,
        runs="3 seeds",
    )
    curves = [Curve("original", [POINTS, POINTS[::-1]]), Curve(HOSTILE, [POINTS])]
    return render_runs_page(
        "The paper's experiments",
        comparisons=[
            PaperComparison(
                "Table 1", "Scale laptop: 4,000 steps of 32, fp32, seeds 0, 1, on a machine.", rows
            )
        ],
        claims=[claim],
        tally="1 claim: 0 held, 1 not held, 0 undecided at this scale.",
        later=[
            VerdictRow(
                HOSTILE, "of a later paper", "worse", "difference -3 [-4, -2]; `resunit` " * 4, "3 seeds"
            )
        ],
        about_later="These comparisons are no claims.",
        plots=[Plot("Figure 3", {"(a)": curves, "(b)": curves, "(c)": curves[:1]}, "Of 2 seeds.")],
        spread={HOSTILE: [70.0, 71.0], "resnet110 original, laptop, 4,000 steps": [60.0, 75.0]},
        costs=[Cost("resnet110 original", 2, 0.03, 100.0, 0.2, "a machine with a long name")],
    )


@pytest.mark.parametrize("width", [400, 1400])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_opens_quietly_and_fits(
    tmp_path: Path, open_page: OpenPage, width: int, scheme: Scheme
) -> None:
    path = tmp_path / "page.html"
    path.write_text(a_page())
    with open_page(path, width, scheme) as page:
        page.wait_for_selector("#curves0 svg.main-svg .scatterlayer .lines")
        page.wait_for_selector("#spread svg.main-svg .scatterlayer .points")
        assert page.locator("td", has_text="not run").count() == 1
        dashes = page.evaluate(
            "[...document.querySelectorAll('#curves0 .js-line')].map(l => l.style.strokeDasharray)"
        )
        assert any(dashes), "training error is dashed"
        assert not all(dashes), "test error is solid"


@pytest.mark.parametrize("width", [400, 1400])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_compared_runs_are_sorted_by_a_click_or_a_key(
    tmp_path: Path, open_page: OpenPage, width: int, scheme: Scheme
) -> None:
    runs = [
        compared(f"{HOSTILE} {rate}", error, learning_rate=rate, seed=seed)
        for seed, (rate, error) in enumerate([(0.1, 9.0), (0.02, 10.5), (10.0, None), (1.0, 100.0)])
    ]
    path = tmp_path / "page.html"
    path.write_text(render_runs_page("Runs", compared=compare_runs(runs, path)))
    with open_page(path, width, scheme) as page:
        page.wait_for_selector("#overlay svg.main-svg .legend .traces")
        page.wait_for_selector("#sweep svg.main-svg .scatterlayer .points path")
        assert page.locator("#overlay .legend .traces").count() == len(runs)

        def errors() -> list[str]:
            cells = page.locator("table.sortable tbody tr td:nth-last-child(4)").all_text_contents()
            return [cell.replace("\N{NO-BREAK SPACE}%", "") for cell in cells]

        heading = page.get_by_role("columnheader", name="test error")
        assert heading.get_attribute("aria-sort") == "ascending"
        assert errors() == ["9.00", "10.50", "100.00", "–"]
        heading.get_by_role("button").click()
        assert heading.get_attribute("aria-sort") == "descending"
        assert errors() == ["100.00", "10.50", "9.00", "–"], "numbers, and what is unknown stays last"
        rate = page.get_by_role("columnheader", name="learning rate")
        rate.get_by_role("button").focus()
        page.keyboard.press("Enter")
        assert rate.get_attribute("aria-sort") == "ascending"
        assert heading.get_attribute("aria-sort") == "none"
        assert errors() == ["10.50", "9.00", "100.00", "–"]
        scopes = page.locator("table.sortable th").evaluate_all("cells => cells.map(cell => cell.scope)")
        assert set(scopes) == {"row", "col"}
        box = page.locator(".scrolling").bounding_box()
        assert box is not None
        assert box["width"] <= width
