"""The page of the argument, as HTML and as Markdown with pictures."""

import re
from pathlib import Path

import pytest

from resunit.reproduction.argument.argument import Argument, Section
from resunit.reproduction.argument.figures import interactive, picture
from resunit.reproduction.argument.formula import as_mathtext, with_indices
from resunit.reproduction.argument.markdown import table_of_statements, write_markdown
from resunit.reproduction.argument.page import write_page
from resunit.reproduction.argument.shown import Line, NumberTable, Shown, by_unit
from resunit.reproduction.argument.statements import STATEMENTS
from resunit.reproduction.claims import judge_claims

CHART = by_unit(
    "Gain & loss of x_l", Line("x_l", (1.0, 10.0)), Line("none", (0.0, -1.0), dashed=True), logarithmic=True
)
SEEN = "The gain is < 3."
WITHOUT_PICTURE = Shown((SEEN,))
SHOWN = Shown((SEEN,), (CHART,), NumberTable(("a", "b"), (("1", "2|3"),)))
DRAWN = "sum-not-product"  # Pictures take their time, so that one statement has one.


@pytest.fixture(scope="module")
def argument() -> Argument:
    outcomes = {outcome.claim.id: outcome for outcome in judge_claims([])}
    sections = [
        Section(
            statement,
            (SHOWN if statement.name == DRAWN else WITHOUT_PICTURE) if statement.measures else None,
            tuple(outcomes[claim] for claim in statement.claims),
        )
        for statement in STATEMENTS
    ]
    return Argument(tuple(sections), "resnet20", 3, 7, 5, "a machine", "no records")


def test_the_page_has_a_section_for_each_statement(argument: Argument, tmp_path: Path) -> None:
    write_page(argument, tmp_path / "page.html", "resunit reproduce argument --seed 3")
    page = (tmp_path / "page.html").read_text().split("<script>")[0]
    assert re.findall(r'<article id="([^"]+)"', page) == [statement.name for statement in STATEMENTS]
    assert page.count("The gain is &lt; 3.") == sum(bool(statement.measures) for statement in STATEMENTS)
    assert "resunit reproduce argument --seed 3" in page
    assert all(f"<code>{claim}</code>" in page for statement in STATEMENTS for claim in statement.claims)
    assert "prefers-color-scheme: dark" in page
    assert 'src="http' not in page


def test_markdown_has_a_heading_that_each_row_of_its_table_leads_to(
    argument: Argument, tmp_path: Path
) -> None:
    write_markdown(argument, tmp_path / "page.md", "resunit reproduce argument")
    text = (tmp_path / "page.md").read_text()
    headings = [title.lower().replace(" ", "-") for title in re.findall("^### (.+)$", text, re.M)]
    assert headings == [statement.name for statement in STATEMENTS]
    assert re.findall(r"\]\(#([^)]+)\)", text) == headings
    pictures = re.findall(r"!\[[^\]]*\]\(([^)]+)\)", text)
    assert {path.name for path in (tmp_path / "page").iterdir()} == {Path(name).name for name in pictures}
    assert pictures[1:] == [f"page/{DRAWN}-1.png"]
    assert (tmp_path / pictures[1]).read_bytes().startswith(b"\x89PNG")
    assert text.endswith(table_of_statements() + "\n")


def test_what_a_logarithmic_axis_cannot_show_is_left_out() -> None:
    traces = interactive(CHART).to_dict()["data"]
    assert [list(trace["y"]) for trace in traces] == [[1.0, 10.0], [None, None]]
    assert picture(CHART).startswith(b"\x89PNG")


def test_the_same_chart_is_the_same_picture() -> None:
    assert picture(CHART) == picture(CHART)


def test_formulas() -> None:
    assert str(with_indices("x_{l+1} < lambda_l x_L")) == "x<sub>l+1</sub> &lt; λ<sub>l</sub> x<sub>L</sub>"
    assert as_mathtext("x_{L-1} and dE/dx_l") == "$x_{L-1}$ and dE/$dx_{l}$"
