"""`resunit models`: the networks and designs as tables."""

from typing import TYPE_CHECKING, Any

from resunit.cli.app import COMMON, DONE, Common, app, tell_json
from resunit.errors import UsageError

if TYPE_CHECKING:
    from rich.table import Table

CHARACTERS_A_LINE = 100  # A terminal may be narrower, but a name that is cut cannot be copied.


@app.command(help_epilogue="Example:\n  resunit models 'preresnet*'")
def models(pattern: str = "*", *, common: Common = COMMON) -> int:
    """List the networks, with their depth, parameters, multiply-adds and unit, and the designs of a unit.

    Parameters
    ----------
    pattern
        List only the names that match this shell pattern.
    """
    from resunit.models.table import describe_models

    records = describe_models(pattern)
    if not records:
        raise UsageError(f"no model matches {pattern!r}; `resunit models` lists all")
    if common.json:
        tell_json(records)
    else:
        from rich.console import Console

        console = Console(width=CHARACTERS_A_LINE, highlight=False)
        console.print(models_table(records))
        console.print(designs_in_words())
    return DONE


def models_table(records: list[dict[str, Any]]) -> "Table":
    """Return the records of `resunit.models.table.describe_models` as a table for a terminal."""
    from rich.table import Table

    table = Table("model", "depth", "parameters", "multiply-adds", "image", "unit", "design", box=None)
    for column in table.columns:
        column.no_wrap = True
    for column in table.columns[1:5]:
        column.justify = "right"
    for record in records:
        table.add_row(
            record["model"],
            str(record["depth"]),
            f"{record['parameters']:,}",
            f"{record['multiply_adds'] / 1e6:,.1f} M",
            str(record["image_size"]),
            record["unit"],
            record["design"],
        )
    return table


def designs_in_words() -> str:
    """Return one line with the names that --design takes: the paper's, and those later than the paper."""
    from resunit.models.designs import DESIGNS

    paper = [name for name, design in DESIGNS.items() if design.of_the_paper]
    later = [name for name in DESIGNS if name not in paper]
    return f"designs (--design): {', '.join(paper)}; later than the paper: {', '.join(later)}"
