"""Help whose lines end where the terminal ends, and not where the lines of a docstring end."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from cyclopts.help import DefaultFormatter, HelpPanel

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions

LEAST_WIDTH = 20  # Some terminals say that they have no columns, and cyclopts would break lines without end.
LINE_END = re.compile(r"(?<!\n)\n(?!\n)")  # An empty line still parts two paragraphs.


class FlowingHelp(DefaultFormatter):
    """The formatter of cyclopts, with the lines of each paragraph joined."""

    def __call__(self, console: Console, options: ConsoleOptions, panel: HelpPanel) -> None:
        """Print a panel of commands or options."""
        for entry in panel.entries:
            _join_lines(entry.description)
        if console.width < LEAST_WIDTH:
            console.width = LEAST_WIDTH
            options = options.update(width=LEAST_WIDTH)
        super().__call__(console, options, panel)

    def render_description(self, console: Console, options: ConsoleOptions, description: Any) -> None:
        """Print the description of a command."""
        _join_lines(description)
        super().render_description(console, options, description)


def _join_lines(description: Any) -> None:
    """Join the lines of each paragraph of a description, which cyclopts holds as a text of rich."""
    from rich.text import Text

    text = getattr(description, "primary_renderable", description)
    if isinstance(text, Text):
        text.plain = LINE_END.sub(" ", text.plain)
