from pathlib import Path

import pytest

from resunit.reports.run_page import write_run_page
from tests.reports.conftest import OpenPage, Scheme
from tests.reports.run_records import CLASSES, evaluation, write_run

pytestmark = pytest.mark.full


@pytest.mark.parametrize("width", [400, 1400])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_opens_quietly_and_fits(
    tmp_path: Path, open_page: OpenPage, width: int, scheme: Scheme
) -> None:
    hostile = "<img src=x onerror=alert(1)><b>cat</b>"
    folder = write_run(tmp_path / "run", evaluated=evaluation((hostile, *CLASSES[1:])))
    with open_page(write_run_page(folder), width, scheme) as page:
        page.wait_for_selector("#curves svg.main-svg .scatterlayer")
        page.wait_for_selector("#confusion svg.main-svg .heatmaplayer image", state="attached")
        assert (page.locator("#confusion .ytick text").first.text_content() or "").startswith("<img src=x")
        ink = page.evaluate("getComputedStyle(document.querySelector('#curves .infolayer text')).fill")
        assert ink == page.evaluate("getComputedStyle(document.body).color")
        page.locator("details summary").click()
        assert page.locator("details .command").is_visible()
