"""A browser that looks at pages."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import BrowserContext, Dialog, Page, sync_playwright

from tests.patience import PATIENCE

FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
Scheme = Literal["light", "dark"]
OpenPage = Callable[[Path, int, Scheme], AbstractContextManager[Page]]


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[BrowserContext]:
    chromium = shutil.which("chromium")
    assert chromium is not None, "chromium is not installed: `make chromium`"
    with sync_playwright() as driver:
        context = driver.chromium.launch_persistent_context(
            tmp_path / "profile", executable_path=chromium, args=FLAGS, timeout=1000 * PATIENCE
        )
        context.set_default_timeout(1000 * PATIENCE)
        yield context
        context.close()


@pytest.fixture
def open_page(browser: BrowserContext) -> OpenPage:
    """Return a function that opens a page at a width in pixels and in a colour scheme.

    At the end the page must have written nothing to the console, fetched nothing, and fit its width.
    """

    @contextmanager
    def opened(path: Path, width: int, scheme: Scheme) -> Iterator[Page]:
        page = browser.new_page()
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(color_scheme=scheme)
        complaints: list[str] = []
        requests: list[str] = []

        def note_dialog(dialog: Dialog) -> None:
            complaints.append(dialog.message)
            dialog.dismiss()

        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", note_dialog)
        page.on("request", lambda request: requests.append(request.url))
        page.goto(path.as_uri())
        yield page
        assert complaints == []
        assert [url for url in requests if not url.startswith(("data:", "blob:"))] == [path.as_uri()]
        assert page.evaluate("document.documentElement.scrollWidth") <= width

    return opened
