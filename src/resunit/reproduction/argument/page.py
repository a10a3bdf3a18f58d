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
from resunit.reproduction.argument.explanations import (
    INTRODUCTION,
    OF_GROUP,
    OF_STATEMENT,
    TITLES_OF_GROUPS,
)
from resunit.reproduction.argument.figures import interactive
from resunit.reproduction.argument.formula import with_indices

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

TITLE = "The argument of identity mappings, statement by statement"


def write_page(argument: Argument, path: Path, command: str) -> None:
    """Write the page, one file that needs no internet connection. Raises WriteError.

    Args:
        argument: what was measured.
        path: the file; its folder must exist.
        command: the command that makes the page.
    """
    figures: dict[str, Figure] = {}
    for section in argument.sections:
        for number, chart in enumerate(section.shown.charts if section.shown else ()):
            figures[f"{section.statement.name}-{number}"] = interactive(chart)
    groups = [
        (TITLES_OF_GROUPS[group], OF_GROUP[group], list(sections))
        for group, sections in itertools.groupby(argument.sections, key=lambda section: section.group)
    ]
    page = render_page(
        "argument.html",
        package="resunit.reproduction.argument",
        figures=figures,
        title=TITLE,
        argument=argument,
        groups=groups,
        introduction=INTRODUCTION,
        explanations=OF_STATEMENT,
        shows=what_shows([section.statement for section in argument.sections]),
        units=[Markup(svg) for svg in render_designs()],
        command=command,
        with_indices=with_indices,
    )
    write_atomically(path, page.encode())
