"""Photograph a report page: python tools/screenshot.py runs/quick-1/report.html docs/report.png"""

import shutil
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
TOP = {"x": 0, "y": 0, "width": 1100, "height": 1250}

page_path, picture = Path(sys.argv[1]), Path(sys.argv[2])
with sync_playwright() as playwright, tempfile.TemporaryDirectory() as profile:
    browser = playwright.chromium.launch_persistent_context(
        profile,
        executable_path=shutil.which("chromium"),
        args=FLAGS,
        viewport={"width": 1100, "height": 1250},
        color_scheme="light",
    )
    page = browser.new_page()
    page.goto(page_path.resolve().as_uri())
    if page.locator(".figure").count():
        page.wait_for_selector(".plotly svg, svg.main-svg")
    page.wait_for_timeout(500)
    page.screenshot(path=picture, clip=TOP, full_page=True)  # pyright: ignore[reportArgumentType]
    browser.close()
