from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from resunit.reports import write_run_page
from tests.reports.run_records import CLASSES, evaluation

pytestmark = pytest.mark.full


@pytest.mark.parametrize("width", [400, 1400])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_opens_quietly_and_fits(
    write_run: Callable[..., Path], opened: Any, width: int, scheme: str
):
    hostile = "<img src=x onerror=alert(1)><b>cat</b>"
    path = write_run_page(write_run(evaluation=evaluation([hostile, *CLASSES[1:]])))
    with opened(path, width, scheme) as page:
        page.wait_for_selector("#curves svg.main-svg .scatterlayer")
        page.wait_for_selector("#confusion svg.main-svg .heatmaplayer image", state="attached")
        assert page.locator("#confusion .ytick text").first.text_content().startswith("<img src=x")
        ink = page.evaluate("getComputedStyle(document.querySelector('#curves .infolayer text')).fill")
        assert ink == page.evaluate("getComputedStyle(document.body).color")
