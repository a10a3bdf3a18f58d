"""The shell of every page: one file that opens from disk without a network, in light and in dark."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from resunit.io.format import escape_text

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

PACKAGE_OF_THE_SHELL = "resunit.io"


def render_page(template: str, *, package: str, figures: Mapping[str, Figure], **content: Any) -> str:
    """Return the HTML of a page.

    The template extends ``shell.html`` and fills its blocks ``title`` and ``main``. It places a figure with
    ``{{ figure(name) }}``, and sets the code in a text between backticks with the filter ``sentence``. All
    texts are escaped, and what a terminal cannot show is written out in them.

    Args:
        template: the name of a file in the folder ``templates`` of `package`.
        package: the import path of the package that the page belongs to, such as "resunit.reports".
        figures: the interactive figures by name. A page without figures carries no plotly.
        **content: what the template shows, by name.
    """
    environment = Environment(
        loader=ChoiceLoader([PackageLoader(PACKAGE_OF_THE_SHELL), PackageLoader(package)]),
        autoescape=True,
        finalize=_escape_value,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["sentence"] = render_sentence

    def figure(name: str) -> Markup:
        # Plotly writes "<" and "/" in its JSON as \u003c and \u002f, so that no text can end the element.
        data = Markup(figures[name].to_json())
        return Markup(
            '<div class="figure" id="{0}"><script type="application/json">{1}</script></div>'
        ).format(name, data)

    page = environment.get_template(template).render(
        **content, figures=figures, figure=figure, plotly=_plotly_javascript() if figures else None
    )
    # HTML that others made may hold bytes of file names, which UTF-8 does not have.
    return page.encode(errors="surrogateescape").decode(errors="backslashreplace")


def render_sentence(text: str) -> Markup:
    """Return a sentence as escaped HTML; a part between backticks becomes a code element."""
    return Markup(re.sub(r"`([^`]*)`", r"<code>\1</code>", str(escape(_escape_value(text)))))


def _escape_value(value: Any) -> Any:
    """Return what a template places: a text with what cannot be shown written out, and HTML as it is."""
    return escape_text(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _plotly_javascript() -> Markup:
    from plotly.offline import get_plotlyjs

    return Markup(get_plotlyjs())
