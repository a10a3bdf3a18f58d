"""`resunit models`: the networks and designs as tables, and their units drawn."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from resunit.cli.app import COMMON, DONE, Common, answer, app, tell_json
from resunit.cli.options import LEFT_OVER, model_options, own_design_options, split_arguments
from resunit.errors import UsageError
from resunit.io.fields import to_json
from resunit.models.table import ModelRow, describe_models, design_names

if TYPE_CHECKING:
    from rich.table import Table

ModelOptions = model_options()
NONE_GIVEN = ModelOptions()
EVERY = "*"
CHARACTERS_A_LINE = 100  # A terminal may be narrower, but a name that is cut cannot be copied.


@app.command(
    help_epilogue="Examples:\n"
    "  resunit models 'preresnet*'\n"
    "  resunit models preresnet110 --draw unit.svg\n"
    "  resunit models resnet110 --design constant-scaling --shortcut-scale 0.9 --draw unit.svg\n"
    "  resunit models my_units:SqueezeShortcut --draw unit.svg\n"
    "  resunit models --draw units.svg"
)
def models(
    name: str = EVERY,
    *rest: Annotated[str, LEFT_OVER],
    draw: Path | None = None,
    design: str | None = None,
    options: ModelOptions = NONE_GIVEN,  # pyright: ignore[reportInvalidTypeForm]
    common: Common = COMMON,
) -> int:
    """List the networks and the designs of a unit, or draw the units of a network.

    The list has each network's depth, parameters, multiply-adds and unit.

    Args:
        name: List only the names that match this shell pattern. With --draw, this is a network, a design, or
            MODULE:NAME of your own, where NAME is a design or a function that returns a network.
        draw: Draw the distinct units of the network into this file: .svg, .png or .pdf. Without a name, a
            unit of each of the paper's designs.
        design: Draw the network in this design: a row of the paper's Tables 1 and 2, a later design, or
            MODULE:CLASS.
    """
    words, own = split_arguments(rest)
    if words:
        raise UsageError(f"models takes one name, not {len(words) + 1}; quote a pattern: '{name}'")
    whose = name if design is None and draw is not None and own else design
    chosen = options.changes() | own_design_options(whose, own, app["models"])
    if draw is None and (design is not None or chosen):
        raise UsageError(
            "--design and the options of designs and networks apply to a drawing; add --draw FILE"
        )
    if draw is not None:
        picture = str(draw_units(name, draw, design, chosen))
        return answer(common, {"picture": picture}, picture)
    rows = describe_models(name)
    if not rows:
        raise UsageError(f"no model matches {name!r}; `resunit models` lists all")
    if common.json:
        tell_json([to_json(row) for row in rows])
    else:
        from rich.console import Console

        console = Console(width=CHARACTERS_A_LINE, highlight=False)
        console.print(models_table(rows))
        paper, later = design_names()
        console.print(f"designs (--design): {', '.join(paper)}; later than the paper: {', '.join(later)}")
    return DONE


def draw_units(name: str, path: Path, design: str | None, options: dict[str, Any]) -> Path:
    """Draw the units of the network that `name` names, or the paper's designs if it names none; return the path."""
    from resunit.models.drawing import draw, draw_designs
    from resunit.models.drawing.draw import check_path
    from resunit.models.drawing.named_network import network_to_draw

    check_path(path)  # The path is checked before a network is built, which takes time.
    if name != EVERY:
        return draw(network_to_draw(name, design, options), path)
    if design is not None or options:
        raise UsageError(
            "--design and its options draw one network; name it: resunit models resnet110 --draw FILE"
        )
    return draw_designs(path)


def models_table(rows: list[ModelRow]) -> "Table":
    """Return a table of networks for a terminal."""
    from rich.table import Table

    table = Table("model", "depth", "parameters", "multiply-adds", "image", "unit", "design", box=None)
    for column in table.columns:
        column.no_wrap = True
    for column in table.columns[1:5]:
        column.justify = "right"
    for row in rows:
        cost = f"{row.parameters:,}", f"{row.multiply_adds / 1e6:,.1f} M"
        table.add_row(row.model, str(row.depth), *cost, str(row.image_size), row.unit, row.design)
    return table
