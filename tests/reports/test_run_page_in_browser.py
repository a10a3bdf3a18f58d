from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from run_records import CLASSES, evaluation

from resunit.reports import write_run_page

pytestmark = pytest.mark.full


@pytest.mark.parametrize("width", [400, 1400])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_opens_quietly_and_fits(
    write_run: Callable[..., Path], browser: Any, width: int, scheme: str
):
    hostile = "<img src=x onerror=alert(1)><b>cat</b>"
    path = write_run_page(write_run(evaluation=evaluation([hostile, *CLASSES[1:]])))
    page = browser.new_page()
    page.set_viewport_size({"width": width, "height": 900})
    page.emulate_media(color_scheme=scheme)
    complaints, requests = [], []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("dialog", lambda dialog: (complaints.append("dialog"), dialog.dismiss()))
    page.on("request", lambda request: requests.append(request.url))

    page.goto(path.as_uri())
    page.wait_for_selector("#curves svg.main-svg .scatterlayer")
    page.wait_for_selector("#confusion svg.main-svg .heatmaplayer image", state="attached")

    assert complaints == []
    assert [url for url in requests if not url.startswith(("data:", "blob:"))] == [path.as_uri()]
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.locator("#confusion .ytick text").first.text_content().startswith("<img src=x")
    ink = page.evaluate("getComputedStyle(document.querySelector('#curves .infolayer text')).fill")
    assert ink == page.evaluate("getComputedStyle(document.body).color")
