"""`resunit reproduce argument`: every statement of the paper, measured."""

import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from resunit.cli.app import COMMON, DONE, Common, page_path, tell, tell_json
from resunit.cli.reproduce import REPRODUCE

if TYPE_CHECKING:
    from resunit.reproduction.argument.argument import Argument

OUT = Path("results/argument.html")


@REPRODUCE.command(
    help_epilogue="Examples:\n"
    "  resunit reproduce argument\n"
    "  resunit reproduce argument --only sum-not-product\n"
    "  resunit reproduce argument --out docs/argument.md"
)
def argument(
    *,
    steps: int = 100,
    seed: int = 0,
    model: str = "resnet110",
    batch_size: int = 64,
    only: str = "*",
    records: Path | None = None,
    out: Path = OUT,
    common: Common = COMMON,
) -> int:
    """Show each statement of the paper: its formula, what fresh and briefly trained networks do, and verdicts.

    It takes minutes. Statements that only long runs decide show the verdicts of recorded runs.

    Args:
        steps: Train two networks for this many steps on the sample.
        seed: The seed determines weights, images and training.
        model: Measure this network for CIFAR, in the paper's designs.
        batch_size: Measure with this many images.
        only: Take only the statements whose name matches this shell pattern.
        records: Judge claims by the records in this file in place of those that ship with the package.
        out: Write the page into this file: .html, or .md with pictures in a folder beside it.
    """
    from resunit.io.atomic import make_folder
    from resunit.io.places import user_path
    from resunit.reproduction.argument.argument import make_argument
    from resunit.reproduction.argument.markdown import write_markdown
    from resunit.reproduction.argument.networks import Networks
    from resunit.reproduction.argument.page import write_page

    path = page_path(out, ".html", ".md")
    make_folder(path.parent)  # before the minutes of measuring
    networks = Networks(model, seed, steps, batch_size, quiet=common.json)
    made = make_argument(networks, only=only, records=records and user_path(records))
    given = {"steps": steps, "seed": seed, "model": model, "batch_size": batch_size, "only": only}
    command = _command(given, out)
    if path.suffix == ".md":
        write_markdown(made, path, command)
    else:
        write_page(made, path, command)
    if common.json:
        tell_json(made.to_json() | {"page": str(path), "command": command})
    else:
        _tell(made, path)
    return DONE


def _tell(made: "Argument", path: Path) -> None:
    """Print each statement with what was seen, and the tables that are asked for one by one."""
    for section in made.sections:
        print(f"{section.statement.section}, {section.statement.name}: {section.statement.sentence}")
        for text in section.seen:
            print(f"  - {text}")
        if len(made.sections) == 1 and section.shown is not None and section.shown.table is not None:
            _print_table((section.shown.table.headings, *section.shown.table.rows))
        print()
    tell(str(path))


def _print_table(lines: Iterable[tuple[str, ...]]) -> None:
    """Print the lines of a table in columns."""
    lines = list(lines)
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        print(
            "    " + "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        )


def _command(given: dict[str, object], out: Path) -> str:
    """Return the command that makes the page again, without the options that are at their defaults."""
    defaults = argument.__kwdefaults__ or {}
    options = [
        f"--{name.replace('_', '-')} {shlex.quote(str(value))}"
        for name, value in given.items()
        if value != defaults[name]
    ]
    if out != OUT:
        options.append(f"--out {shlex.quote(str(out))}")
    return " ".join(["resunit reproduce argument", *options])
