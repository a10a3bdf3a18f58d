"""A run's folder as training leaves it, and a browser to look at its page."""

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import sync_playwright

from tests.reports.run_records import records

FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Any]:
    chromium = shutil.which("chromium")
    assert chromium is not None, "chromium is not installed: `make chromium`"
    with sync_playwright() as driver:
        context = driver.chromium.launch_persistent_context(
            tmp_path / "profile", executable_path=chromium, args=FLAGS
        )
        yield context
        context.close()


@pytest.fixture
def opened(browser: Any) -> Callable[[Path, int, str], AbstractContextManager[Any]]:
    """Opens a page at a width, in a colour scheme; it must say nothing, fetch nothing and fit its width."""

    @contextmanager
    def open_page(path: Path, width: int, scheme: str) -> Iterator[Any]:
        page = browser.new_page()
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(color_scheme=scheme)
        complaints, requests = [], []
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: (complaints.append("dialog"), dialog.dismiss()))
        page.on("request", lambda request: requests.append(request.url))
        page.goto(path.as_uri())
        yield page
        assert complaints == []
        assert [url for url in requests if not url.startswith(("data:", "blob:"))] == [path.as_uri()]
        assert page.evaluate("document.documentElement.scrollWidth") <= width

    return open_page


@pytest.fixture
def write_run(tmp_path: Path) -> Callable[..., Path]:
    """Write a run's folder; a keyword replaces one record, or changes fields of a flat one."""

    def write(**changes: Any) -> Path:
        folder = tmp_path / "run"
        folder.mkdir()
        for name, record in records().items():
            change = changes.get(name, {})
            if name == "log":
                lines = changes.get("log", record)
                (folder / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
            elif change is not None:
                whole = change if name == "evaluation" and change else {**record, **change}
                (folder / f"{name}.json").write_text(json.dumps(whole))
        return folder

    return write
