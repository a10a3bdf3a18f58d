"""The argument as Markdown, with pictures in a folder beside it."""

import itertools
from collections.abc import Iterable, Iterator
from pathlib import Path

from resunit.io.atomic import make_folder, write_atomically
from resunit.models.drawing.draw import draw_designs
from resunit.reports.markdown import render_markdown_table
from resunit.reproduction.argument.argument import Argument, Section, what_shows
from resunit.reproduction.argument.figures import picture
from resunit.reproduction.argument.formula import with_indices
from resunit.reproduction.argument.page import TITLE
from resunit.reproduction.argument.statements import STATEMENTS, TEXT, Statement


def write_markdown(argument: Argument, path: Path, command: str) -> None:
    """Write the Markdown, and the pictures into a folder that is named like it. Raises WriteError."""
    folder = path.with_suffix("")
    make_folder(folder)
    draw_designs(folder / "units.svg")
    for section in argument.sections:
        for number, chart in enumerate(section.shown.charts if section.shown else ()):
            write_atomically(folder / _picture_name(section, number), picture(chart))
    write_atomically(path, "\n".join(_lines(argument, folder.name, command)).encode())


def table_of_statements(statements: Iterable[Statement] = STATEMENTS) -> str:
    """Return the table of what shows each statement; names link to the sections."""
    table = what_shows(list(statements))
    rows = [(f"[{name}](#{name})", *rest) for name, *rest in table.rows]
    return render_markdown_table(table.headings, rows)


def _lines(argument: Argument, folder: str, command: str) -> Iterator[str]:
    yield from (f"# {TITLE}", "")
    yield "After reading this page you know what the paper says, why, and what of it can be seen in a network here."
    yield from ("", *_sentences(TEXT.introduction), "")
    yield from (*argument.conditions, "This command makes the page:", "", f"    {command}", "")
    yield from (f"![A unit of each design]({folder}/units.svg)", "")
    for group, sections in itertools.groupby(argument.sections, key=lambda section: section.group):
        yield from (f"## {group.title}", "", *_sentences(group.explanation), "")
        for section in sections:
            yield from _section(section, folder)
    statements = [section.statement for section in argument.sections]
    yield from ("## What shows each statement", "", table_of_statements(statements), "")


def _section(section: Section, folder: str) -> Iterator[str]:
    statement = section.statement
    yield from (f"### {statement.title}", "", f"*{with_indices(statement.sentence)}*", "")
    if statement.formula:
        yield from (f"> {with_indices(statement.formula)}", "")
    yield from (*_sentences(statement.explanation), "")
    yield from (*(f"- {with_indices(text)}" for text in section.seen), "")
    if section.shown is not None:
        for number, chart in enumerate(section.shown.charts):
            yield from (f"![{chart.title}]({folder}/{_picture_name(section, number)})", "")
        if section.shown.table is not None:
            table = section.shown.table
            yield from (
                render_markdown_table([str(with_indices(text)) for text in table.headings], table.rows),
                "",
            )
    if section.claims:
        rows = [
            (row.statement, row.verdict, f"{row.numbers} ({row.runs})" if row.runs else row.numbers)
            for row in section.claims
        ]
        yield from (render_markdown_table(("claim", "recorded runs", "numbers"), rows), "")


def _sentences(texts: Iterable[str]) -> list[str]:
    return [str(with_indices(text)) for text in texts]


def _picture_name(section: Section, number: int) -> str:
    return f"{section.statement.name}-{number + 1}.png"
