"""Each notebook runs cell by cell in a process of its own, and its results show themselves."""

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.docs.cells import code_cells
from tests.docs.markdown import PAGES, ROOT

NOTEBOOKS = sorted((ROOT / "docs").rglob("*.ipynb"))
FIRST = ROOT / "docs" / "tutorials" / "notebook.ipynb"


def run(notebook: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the cells of a notebook in an empty folder."""
    return subprocess.run(
        [sys.executable, "-m", "tests.docs.cells", str(notebook)],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)])},
        capture_output=True,
        text=True,
    )


def test_the_first_notebook_shows_its_results(tmp_path: Path) -> None:
    done = run(FIRST, tmp_path)
    assert done.returncode == 0, done.stderr
    start, measured, verdict, trained, log, answers = json.loads(done.stdout)
    assert start.startswith("(1000, ('airplane', ")
    assert measured.startswith("<ul><li>direct: ")
    assert '<img alt="measures by depth"' in measured
    assert "kind='scaled'" in verdict
    assert trained.startswith("<table>")
    assert "done after 4 steps" in trained
    assert log.startswith("[(4, ")
    assert answers.count("('") == 3


def test_every_notebook_is_run() -> None:
    assert NOTEBOOKS == [FIRST]


def test_a_broken_cell_fails_and_is_named(tmp_path: Path) -> None:
    cells = [{"cell_type": "code", "source": source} for source in (["x = 1\n", "x"], ["y = x\n", "y / 0\n"])]
    broken = tmp_path / "broken.ipynb"
    broken.write_text(json.dumps({"cells": cells}))
    done = run(broken, tmp_path)
    assert done.returncode != 0
    assert 'File "broken.ipynb, cell 2", line 2' in done.stderr


def test_a_notebook_is_kept_without_results_and_a_page_links_to_it() -> None:
    for cell in code_cells(FIRST):
        assert cell["outputs"] == []
        assert cell["execution_count"] is None
    assert any(f"{FIRST.parent.name}/{FIRST.name})" in page.read_text() for page in PAGES)
