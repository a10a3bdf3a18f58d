"""The shell of every page: one file that opens from disk with no network."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

if TYPE_CHECKING:
    from plotly.graph_objects import Figure


def render_page(
    template: str, *, package: str = "resunit.reports", figures: dict[str, Figure], **content: Any
) -> str:
    """Return the page of a template that extends ``shell.html``.

    Args:
        template: the name of a file in the folder "templates" of `package`. It places a figure with
            ``{{ figure(name) }}``.
        package: the name of a package.
        figures: the figures by name.
        content: the values that the template takes.
    """
    environment = Environment(
        loader=ChoiceLoader([PackageLoader("resunit.io"), PackageLoader(package)]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["sentence"] = sentence

    def figure(name: str) -> Markup:
        # Plotly writes "<" and "/" in its JSON as \u003c and \u002f, so that no text can end the element.
        data = Markup(figures[name].to_json())
        return Markup(
            '<div class="figure" id="{0}"><script type="application/json">{1}</script></div>'
        ).format(name, data)

    return environment.get_template(template).render(
        **content, figures=figures, figure=figure, plotly=_plotly_javascript() if figures else None
    )


def sentence(text: str) -> Markup:
    """Escape a sentence; what stands between backticks is set as code."""
    return Markup(re.sub(r"`([^`]*)`", r"<code>\1</code>", str(escape(text))))


def _plotly_javascript() -> Markup:
    from plotly.offline import get_plotlyjs

    return Markup(get_plotlyjs())
