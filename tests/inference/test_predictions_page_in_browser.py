from pathlib import Path

import pytest
import torch

from resunit.errors import DataError
from resunit.inference.explained_image import ExplainedImage
from resunit.inference.predictions_page import written_page
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
    generator = torch.Generator().manual_seed(0)
    hostile = "<img src=x onerror=alert(1)>"
    with written_page(tmp_path / "page.html", f"Answers of {hostile}") as page:
        for number in range(5):
            page.add(
                ExplainedImage(
                    Path(f"{'long' * 40}{hostile}/{number}.png"),
                    [(hostile, 0.7), ("c" * 80, 0.3)],
                    torch.randint(256, (3, 32, 32), dtype=torch.uint8, generator=generator),
                    torch.randn(8, 8, generator=generator),
                )
            )
        page.add_problem(DataError(f"{hostile}: not a readable image"))
    with open_page(tmp_path / "page.html", width, scheme) as opened:
        assert opened.locator("figure").count() == 5
        assert opened.evaluate("[...document.images].every(image => image.complete && image.naturalWidth)")
