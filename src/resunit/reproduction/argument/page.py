"""The argument as a page of HTML and as Markdown with pictures."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import TYPE_CHECKING

from markupsafe import Markup

from resunit.io.atomic import write_atomically
from resunit.io.page import render_page
from resunit.models.drawing.draw import render_designs
from resunit.reproduction.argument.argument import Argument, what_shows
from resunit.reproduction.argument.figures import interactive
from resunit.reproduction.argument.formula import with_indices
from resunit.reproduction.argument.statements import TEXT

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

TITLE = "The argument of identity mappings, statement by statement"


def write_page(argument: Argument, path: Path, command: str) -> None:
    """Write the page, which names the `command` that makes it: one file, in a folder that exists. Raises WriteError."""
    figures: dict[str, Figure] = {}
    for section in argument.sections:
        for number, chart in enumerate(section.shown.charts if section.shown else ()):
            figures[f"{section.statement.name}-{number}"] = interactive(chart)
    groups = itertools.groupby(argument.sections, key=lambda section: section.group)
    page = render_page(
        "argument.html",
        package="resunit.reproduction.argument",
        figures=figures,
        title=TITLE,
        argument=argument,
        groups=[(group, list(sections)) for group, sections in groups],
        introduction=TEXT.introduction,
        shows=what_shows([section.statement for section in argument.sections]),
        units=[Markup(svg) for svg in render_designs()],
        command=command,
        with_indices=with_indices,
    )
    write_atomically(path, page.encode())
