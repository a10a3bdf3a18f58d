"""docs/where-things-are.md names files of the package and what they define."""

import re

import pytest

from tests.docs.markdown import ROOT

PACKAGE = ROOT / "src" / "resunit"
PAGE = (ROOT / "docs" / "where-things-are.md").read_text()
PLACES = re.findall(r"`([\w/]+\.py)`(?:: ((?:`\w+`(?:, )?)+))?", PAGE)


def test_the_page_has_places() -> None:
    assert len(PLACES) >= 30


@pytest.mark.parametrize(("file", "names"), PLACES, ids=[file for file, _ in PLACES])
def test_each_file_defines_what_the_page_says(file: str, names: str) -> None:
    code = (PACKAGE / file).read_text()
    for name in re.findall(r"\w+", names):
        assert re.search(rf"^(?:class |def |){name}\b(?=[(:= \[])", code, re.M), f"{file}: {name}"
