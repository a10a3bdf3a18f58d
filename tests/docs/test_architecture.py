"""docs/architecture.md and docs/decisions.md name rooms and files that exist, and the first stays short."""

import re

from tests.docs.markdown import ROOT

PAGE = (ROOT / "docs" / "architecture.md").read_text()
DECISIONS = (ROOT / "docs" / "decisions.md").read_text()
PACKAGE = ROOT / "src" / "resunit"


def test_each_room_has_its_row() -> None:
    rooms = {path.name + "/" for path in PACKAGE.iterdir() if (path / "__init__.py").exists()}
    table = PAGE.split("| room | holds |")[1].split("\n\n")[0]
    named = {
        name
        for row in table.splitlines()
        for name in re.findall(r"`(\w+/)`", row.split("|")[1:2][0] if "|" in row else "")
    }
    assert named == rooms


def test_each_file_exists() -> None:
    flow = re.findall(r"\b(?:data|models|training|runs|reports)/\w+\b", PAGE.split("## The rooms")[0])
    spans = re.findall(r"`([\w/]+(?:\.py|/))`", PAGE + DECISIONS)
    for name in [*flow, *spans]:
        places = [PACKAGE / name, PACKAGE / f"{name}.py", ROOT / name]
        assert any(place.exists() for place in places), name


def test_the_page_has_two_printed_pages_at_most() -> None:
    assert len(PAGE.split()) <= 1100
