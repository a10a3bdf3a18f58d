from pathlib import Path

import pytest

from resunit.data.check.check import check_images
from resunit.data.check.listing import list_images
from resunit.data.check.page import render_check
from tests.data.check.generated import make_picture, write_pictures
from tests.reports.conftest import OpenPage, Scheme, browser, open_page  # noqa: F401

pytestmark = pytest.mark.full


@pytest.mark.parametrize("width", [400, 1400])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_opens_quietly_and_fits(
    tmp_path: Path,
    open_page: OpenPage,  # noqa: F811
    width: int,
    scheme: Scheme,
) -> None:
    photos = tmp_path / ("photos" * 20)
    for name in ("<img src=x onerror=alert(1)>", "b" * 60):
        write_pictures(photos / "train" / name, range(6))
        (photos / "test" / name).mkdir(parents=True)
        make_picture(3).save(photos / "test" / name / "leak.jpg")
    (photos / "train" / ("b" * 60) / "broken.png").write_bytes(b"")
    listing = list_images(str(photos))
    (tmp_path / "check.html").write_text(render_check(check_images(listing), listing))
    with open_page(tmp_path / "check.html", width, scheme) as page:
        assert page.locator("figure").count() >= 12
        assert page.evaluate("[...document.images].every(image => image.complete && image.naturalWidth)")
        page.locator("thead button").first.click()
