"""Formulas as HTML, which Markdown takes too: x_l becomes x with an index below the line."""

import re

from markupsafe import Markup, escape

_INDEX = re.compile(r"_(?:\{([^}]*)\}|(\w))")


def as_mathtext(text: str) -> str:
    """Return a text in which x_{l+1} and x_l are mathtext of matplotlib, which draws the index below the line."""
    indexed = re.sub(
        r"([^\W_]+)_(?:\{([^}]*)\}|(\w))", lambda found: f"${found[1]}_{{{found[2] or found[3]}}}$", text
    )
    return re.sub(r"\blambda\b", "λ", indexed)


def with_indices(text: str) -> Markup:
    """Return a text as escaped HTML, with x_{l+1} and x_l as x with an index, and lambda as a letter."""
    escaped = re.sub(r"\blambda(?=_|\b)", "λ", str(escape(text)).replace("&#39;", "'"))
    return Markup(_INDEX.sub(lambda found: f"<sub>{found[1] or found[2]}</sub>", escaped))
