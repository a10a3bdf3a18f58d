"""The tutorials run as their readers run them: each file is saved, and each command is typed, in an empty folder."""

import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import BrowserContext

from tests.docs.markdown import ROOT, Block, blocks
from tests.reports.conftest import Scheme, browser  # noqa: F401

TUTORIALS = ROOT / "docs" / "tutorials"
PAGES = sorted(path for path in TUTORIALS.glob("*.md") if ".ko" not in path.suffixes)
TRANSLATIONS = [ROOT / "README.ko.md", *sorted(TUTORIALS.glob("*.ko.md"))]
LEFT_OUT = "..."
READERS_FOLDER = "/home/you/tutorial"
MILLISECONDS_FOR_THE_BROWSER = 300_000  # a network of 102 MB on a busy machine


def without_numbers(line: str) -> str:
    """Return a line of output as it is on every machine: what depends on the processor is numbers and their type."""
    line = re.sub(r"\b(?:bf16|fp32)\b.*|\bthreads?\b", "", line)
    return " ".join(re.sub(r"\d[\d,.]*", "#", line).split())


def indented(text: str) -> list[str]:
    """Return the lines of a page that are code because they are indented."""
    return [line for line in text.splitlines() if line.startswith("    ")]


def headings(text: str) -> list[str]:
    """Return the headings of a page."""
    code = re.compile(r"^```.*?^```", re.M | re.S)
    return [line for line in code.sub("", text).splitlines() if line.startswith("#")]


def typed(command: str, folder: Path) -> str:
    """Return what the command of a page prints; fail if it ends with an error."""
    programs = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", command],
        cwd=folder,
        env=os.environ | {"PATH": programs, "PYTHONPATH": str(ROOT / "src"), "COLUMNS": "200"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}"
    return done.stdout.replace(str(folder), READERS_FOLDER)


def follow(steps: list[Block], folder: Path) -> None:
    """Save the files of a page, type its commands, and compare what they print with what the page shows."""
    printed = ""
    for step in steps:
        if step.reason is not None:
            continue
        if step.language == "text":
            lines = {without_numbers(line) for line in printed.splitlines()}
            shown = [without_numbers(line) for line in step.code.splitlines() if line and line != LEFT_OUT]
            assert not [line for line in shown if line not in lines], printed
        elif step.file is not None:
            (folder / step.file).write_text(step.code)
        else:
            assert step.language == "bash", f"a block of {step.language} without the name of its file"
            printed = typed(step.code, folder)


@pytest.fixture(scope="module")
def followed(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], Path]:
    """Return a function that follows a page, once, and returns the folder that its reader has then."""

    @cache
    def folder_of(page: Path) -> Path:
        folder = tmp_path_factory.mktemp(page.stem)
        follow(blocks(page.read_text()), folder)
        return folder

    return folder_of


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve a folder, as the browser tutorial does, and give the address."""
    handler = partial(QuietHandler, directory=folder)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


class QuietHandler(SimpleHTTPRequestHandler):
    """A handler of requests that prints no line for each of them."""

    def log_message(self, format: str, *args: Any) -> None: ...


@pytest.mark.full
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_reader_can_follow_the_page(page: Path, followed: Callable[[Path], Path]) -> None:
    followed(page)


@pytest.mark.full
@pytest.mark.parametrize(("width", "scheme"), [(400, "light"), (1400, "dark")])
def test_the_page_of_the_browser_tutorial_classifies(
    width: int,
    scheme: Scheme,
    followed: Callable[[Path], Path],
    browser: BrowserContext,  # noqa: F811
) -> None:
    folder = followed(TUTORIALS / "browser.md")
    page = browser.new_page()
    page.set_default_timeout(MILLISECONDS_FOR_THE_BROWSER)
    page.set_viewport_size({"width": width, "height": 900})
    page.emulate_media(color_scheme=scheme)
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    with served(folder) as address:
        page.goto(address)
        page.locator("input:enabled").set_input_files(folder / "hopper.jpg")
        answers = [page.locator("li").nth(place).inner_text() for place in range(3)]
    name, percent = answers[0].removesuffix(" %").split(": ")
    assert name == "military uniform"
    assert 65 < float(percent) < 85  # 74.8 here
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert complaints == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_last_thing_that_a_page_runs_checks_its_numbers(page: Path) -> None:
    steps = blocks(page.read_text())
    *_, checks = (step for step in steps if step.language == "python")
    assert "\nassert " in checks.code
    assert steps[-1].code == f"python {checks.file}\n"


@pytest.mark.parametrize("page", TRANSLATIONS, ids=lambda page: page.name)
def test_a_translation_has_the_blocks_of_its_page(page: Path) -> None:
    text, original = page.read_text(), page.with_name(page.name.replace(".ko", "")).read_text()
    assert blocks(text) == blocks(original)
    assert indented(text) == indented(original)
    assert [line.count("#") for line in headings(text)] == [line.count("#") for line in headings(original)]


@pytest.mark.parametrize("page", TRANSLATIONS, ids=lambda page: page.name)
def test_a_translation_has_the_commands_links_and_numbers_of_its_page(page: Path) -> None:
    text, original = (
        without_code(file.read_text()) for file in (page, page.with_name(page.name.replace(".ko", "")))
    )
    assert found(r"`([^`\n]+)`", original) <= found(r"`([^`\n]+)`", text)
    for pattern in (r"\]\(([^)]+)\)", r"\d+(?:[.,]\d+)*"):
        assert found(pattern, original) == found(pattern, text)


def without_code(text: str) -> str:
    """Return a page without its blocks of code, in which a link to a translation is one to its original."""
    return re.sub(r"^```.*?^```|^    .*?$", "", text, flags=re.M | re.S).replace(".ko.md", ".md")


def found(pattern: str, text: str) -> set[str]:
    """Return what a pattern finds in a text, apart from the link between the two languages."""
    return set(re.findall(pattern, text)) - {"README.md", "own-folder.md"}
