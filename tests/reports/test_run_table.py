"""The table of compared runs."""

from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

from rich.console import Console

from resunit.io.sortable_table import SortableTable
from resunit.reports.printed_table import narrow_table, table_for_terminal, table_in_markdown
from resunit.reports.run_table import make_run_table
from tests.reports.compared_runs import compared

RUNS = [
    compared("slow", 9.5, learning_rate=0.01, milestones=[0.5, 81 / 164]),
    compared("lost", None, learning_rate=10.0),
    compared("best", 7.25, learning_rate=0.1),
]


def texts(table: SortableTable) -> list[list[str]]:
    return [[cell.text.replace("\N{NO-BREAK SPACE}", " ") for cell in row] for row in table.rows]


def test_each_differing_field_is_a_column_and_the_lowest_error_stands_first() -> None:
    table = make_run_table(RUNS)
    assert table.headings == (
        "run", "data", "model", "design", "learning rate", "milestones", "test error", "best", "time", "status",
    )  # fmt: skip
    assert [row[0] for row in texts(table)] == ["best", "slow", "lost"]
    assert texts(table)[1][4:] == ["0.01", "0.5, 0.493902", "9.50 %", "9.50 %", "1 min 00 s", "done"]
    assert texts(table)[2][4:] == ["10", "0.5", "–", "–", "1 min 00 s", "diverged"]
    assert table.headings[table.sorted_by or 0] == "test error"


def test_errors_on_different_images_are_told_apart() -> None:
    table = make_run_table([RUNS[0], replace(RUNS[2], split="validation")])
    assert table.headings[-5:] == ("error", "judged on", "best", "time", "status")
    assert [row[-4] for row in texts(table)] == ["validation", "test"]
    assert any("held out" in note for note in table.notes)


def test_few_judged_images_are_said_by_run() -> None:
    few = replace(RUNS[0], images=12)
    of_many_classes = replace(RUNS[2], name="many", images=400, classes=100)
    (note,) = (note for note in make_run_table([few, of_many_classes, RUNS[1]]).notes if "conclusion" in note)
    assert "slow (12 images)" in note
    assert "many (400 images)" in note
    assert "lost" not in note


def test_runs_on_different_data_are_said_not_to_compare() -> None:
    notes = make_run_table([RUNS[0], replace(RUNS[2], data="photos")]).notes
    assert any("data" in note for note in notes)
    assert not any("data" in note for note in make_run_table(RUNS).notes)


def test_a_run_leads_to_its_page_relative_to_the_table(tmp_path: Path) -> None:
    run = replace(RUNS[0], page=tmp_path / "runs" / "50 %: a#b" / "report.html")
    (row,) = make_run_table([run], tmp_path / "pages" / "all.html").rows
    assert row[0].link == "./../runs/50%20%25%3A%20a%23b/report.html"
    (row,) = make_run_table([RUNS[0]], tmp_path / "all.html").rows
    assert row[0].link is None


def test_a_terminal_shows_markup_in_names_as_it_is() -> None:
    out = StringIO()
    Console(file=out, width=200).print(
        table_for_terminal(make_run_table([replace(RUNS[0], name="[red]a[/red]")]))
    )
    assert "[red]a[/red]" in out.getvalue()


def test_a_narrow_terminal_gets_fewer_fields_and_is_told_which() -> None:
    fields: dict[str, Any] = {f"field_{i}": i for i in range(9)}
    runs = [
        compared("a", 8.0, **fields),
        compared("b", 9.0, **{name: value + 1 for name, value in fields.items()}),
    ]
    narrow = narrow_table(make_run_table(runs), 100)
    assert narrow.headings[:5] == ["run", "data", "model", "design", "field 0"]
    assert narrow.headings[-4:] == ["test error", "best", "time", "status"]
    assert "field 8" in narrow.notes[-1]
    assert all(len(row) == len(narrow.headings) for row in narrow.rows)
    out = StringIO()
    Console(file=out, width=100).print(table_for_terminal(narrow))
    assert len(out.getvalue().splitlines()) == 3
    assert narrow_table(make_run_table(runs), 1000) == make_run_table(runs)


def test_markdown_holds_the_table_and_its_notes() -> None:
    text = table_in_markdown("Runs", make_run_table(RUNS[:1]))
    assert (
        "| slow | cifar10 | preresnet20 | full-preactivation | 9.50 % | 9.50 % | 1 min 00 s | done |" in text
    )
    assert "lowest of the evaluations on all images" in text
