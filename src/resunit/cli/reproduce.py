"""`resunit reproduce`: the paper's tables, figures and claims."""

import signal
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from resunit.cli.app import COMMON, DONE, FAILED, STOPPED, Common, app, fail, tell_json
from resunit.cli.options import recipe_options
from resunit.models.options import OPTIONS

if TYPE_CHECKING:
    from resunit.reproduction.reproduce import Reproduction

RecipeOptions = recipe_options(exclude=("model", "design", "data", "seed", *OPTIONS))
NONE_GIVEN = RecipeOptions()


@app.command(
    help_epilogue="Examples:\n"
    "  resunit reproduce table1\n"
    "  resunit reproduce table2 --seeds 3 --jobs 2 --only '110-*'\n"
    "  resunit reproduce claims --scale mini\n"
    "  resunit reproduce figure3 --steps 200"
)
def reproduce(
    table: str,
    *,
    scale: str = "mini",
    seeds: int | None = None,
    only: str = "*",
    jobs: int | None = None,
    on: Literal["local", "ray"] = "local",
    address: str | None = None,
    data: str | None = None,
    add: Annotated[list[str] | None, Parameter(negative="")] = None,
    out: Path = Path("results"),
    options: RecipeOptions = NONE_GIVEN,  # pyright: ignore[reportInvalidTypeForm]
    common: Common = COMMON,
) -> int:
    """Run a table, a figure or the claims of the paper, and put them beside what it published.

    Parameters
    ----------
    table
        table1 to table5, figure1, figure3, figure6, later (designs after the paper), or claims.
    scale
        mini (400 steps a run), smoke (a few steps on the sample), or paper (64,000 steps).
    seeds
        How often each row is trained: 3 times, which verdicts need; at smoke scale once.
    only
        Only rows whose id matches this shell pattern.
    jobs
        How many runs share this machine at a time, on Ray each machine: 1; at smoke scale one a core.
    on
        local, or ray: the same runs as tasks on a Ray cluster.
    address
        Of the Ray cluster; by default one is started on this machine.
    data
        ImageNet or any folder like it, with train/<class>/<image> and val/<class>/<image>, for Table 5.
    add
        MODULE:CLASS, a design of your own as one more row (docs/your-own-row.md); repeatable.
    out
        The folder of the records, reproduce-SCALE.jsonl, and of the runs. What is there is not run again.
    """
    from resunit.reproduction.reproduce import reproduce as run_table
    from resunit.reproduction.runner import Interrupted

    try:
        reproduction = run_table(
            table,
            scale=scale,
            seeds=seeds,
            only=only,
            jobs=jobs,
            on=on,
            address=address,
            data=data,
            out=out,
            settings=options.changes(),
            add=add or [],
            quiet=common.json,
        )
    except Interrupted:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # it ends already
        return fail("stopped; the same command goes on from here", STOPPED)
    pictures = reproduction.draw(out)
    if common.json:
        tell_json(reproduction.to_json() | {"pictures": [str(picture) for picture in pictures]})
    else:
        tell(reproduction)
        for picture in pictures:
            print(picture)
    failed = [record for record in reproduction.records if record["status"] == "failed"]
    if failed:
        first = f"{failed[0]['row']}, seed {failed[0]['seed']}: {failed[0]['error']}"
        return fail(f"{len(failed)} runs failed, and the same command tries them again; {first}", FAILED)
    return DONE


def tell(reproduction: "Reproduction") -> None:
    """Print the table beside the paper's numbers, and what held; a smoke run only says that it runs."""
    from rich.console import Console

    from resunit.reports.comparison import claims_for_terminal, comparison_for_terminal
    from resunit.reproduction.publication import findings

    console = Console(highlight=False)
    console.print(comparison_for_terminal(reproduction.comparison))
    if all(record["scale"] == "smoke" for record in reproduction.records):
        counts = Counter(record["status"] for record in reproduction.records)
        diverged = f", {counts['diverged']} to a loss that is no number" if counts["diverged"] else ""
        console.print(
            f"\n{counts['done'] + counts['diverged']} of {counts.total()} runs went through{diverged}. "
            "So few steps say nothing about a network; --scale mini does."
        )
    elif verdicts := reproduction.verdicts:
        console.print()
        console.print(claims_for_terminal(findings(verdicts)))
