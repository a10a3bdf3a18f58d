"""`resunit reproduce`: the paper's tables, figures and claims."""

import shlex
import signal
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from resunit.cli.app import COMMON, DONE, FAILED, STOPPED, Common, app, fail, tell, tell_json
from resunit.cli.options import recipe_options
from resunit.errors import UsageError, unknown
from resunit.io.progress import working
from resunit.models.options import OPTIONS
from resunit.reports.command import spell_out_options

if TYPE_CHECKING:
    from resunit.reproduction.experiments.experiment import PlannedRun
    from resunit.reproduction.plan import Plan
    from resunit.reproduction.reproduce import Reproduction

RecipeOptions = recipe_options(exclude=("model", "design", "data", "seed", "weights", *OPTIONS))
NONE_GIVEN = RecipeOptions()
DEFAULT_SCALE = "laptop"


@app.command(
    help_epilogue="Examples:\n"
    "  resunit reproduce table1\n"
    "  resunit reproduce table2 --run --jobs 2 --only '110-*'\n"
    "  resunit reproduce claims --plan --jobs 2\n"
    "  resunit reproduce figure3 --run --steps 200\n"
    "  resunit reproduce signal --out docs\n"
    "  resunit reproduce table2 --only '110-*' --validation 5000 --run --out pilots"
)
def reproduce(
    table: str,
    *,
    run: Annotated[bool, Parameter(negative="")] = False,
    plan: Annotated[bool, Parameter(negative="")] = False,
    scale: str = DEFAULT_SCALE,
    seeds: int | None = None,
    only: str = "*",
    jobs: int | None = None,
    on: Literal["local", "ray"] = "local",
    address: str | None = None,
    data: str | None = None,
    add: Annotated[list[str] | None, Parameter(negative="")] = None,
    out: Path = Path("results"),
    records: Path | None = None,
    pool: Annotated[list[Path] | None, Parameter(negative="")] = None,
    options: RecipeOptions = NONE_GIVEN,  # pyright: ignore[reportInvalidTypeForm]
    common: Common = COMMON,
) -> int:
    """Show a table, a figure or the claims of the paper beside what was measured here.

    The command shows the records that ship with resunit and the records in --out; it trains nothing without --run.
    The options below the first group vary the recipe of every run. With --validation 5000 the runs are pilots:
    they are judged on held-out training images and never see the test set; they choose settings and decide no claim.

    Args:
        table: Show table1 to table5, figure1, figure3, figure6, later (designs after the paper), signal (what
            reaches each depth in the paper's designs, before training and after 200 steps, or --steps), or
            claims. `resunit reproduce argument` shows the paper's statements one by one.
        run: Train what is missing. At smoke scale it always is.
        plan: Show which runs are recorded, begun or missing, and the hours that the rest takes on this
            machine, from a few measured steps of each network; train nothing.
        scale: The length of the runs: laptop (the paper's schedule in 4,000 steps, on images of 16 x 16
            pixels), smoke (a few steps on the sample), paper (64,000 steps), or eighth (8,000 steps in the
            paper's setting, for a GPU).
        seeds: Train each row with this many seeds; by default with 3, which verdicts need, with 1 for smoke
            and signal, and at the scale laptop with 5, or 3 where these three learned nothing.
        only: Take only the rows whose id matches this shell pattern.
        jobs: Train this many runs at a time, on Ray on each machine; by default 1, and at smoke scale one for
            each core.
        on: Train on this machine (local), or as tasks on a Ray cluster (ray).
        address: Use the Ray cluster at this address; by default one is started on this machine.
        data: Train Table 5 on this folder: ImageNet or any images as train/<class>/<image> and
            val/<class>/<image>. For signal it is any data set.
        add: Add MODULE:CLASS, a design of your own, as one more row (docs/your-own-row.md); repeatable.
        out: Keep new records, reproduce-SCALE.jsonl, and the runs in this folder. What is there is not run
            again.
        records: Show the records in this file in place of all others.
        pool: Add the records in this file, which somebody else made at the same settings; repeatable. What it
            holds is not trained again.
    """
    from rich.console import Console

    from resunit.reproduction.paper.tables import TABLES
    from resunit.reproduction.plan import make_plan
    from resunit.reproduction.remaining_work import list_remaining_work
    from resunit.reproduction.reproduce import read_reproduction, train_missing
    from resunit.reproduction.running.runner import Interrupted

    if table == "argument":
        raise UsageError(
            "argument is a command of its own; write it right behind `reproduce`: resunit reproduce argument ..."
        )
    if table not in TABLES:
        raise unknown("table", table, [*TABLES, "argument"])
    changes = options.changes()
    if plan and run:
        raise UsageError("--plan trains nothing; leave out --plan to train, or leave out --run")
    asked = make_plan(
        table, scale=scale, seeds=seeds, only=only, data=data, changes=changes, add=add or [], out=out,
        records=records, pool=pool or [],
    )  # fmt: skip
    if plan:
        ahead = list_remaining_work(asked, jobs=jobs)
        if common.json:
            tell_json(ahead.to_json())
        else:
            console = Console(highlight=False)
            console.print(ahead.picture())
            console.print(ahead.summary())
        return DONE
    try:
        trains = run or scale == "smoke"
        trained = train_missing(asked, jobs=jobs, on=on, address=address, quiet=common.json) if trains else []
    except Interrupted:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # The command ends already.
        return fail("stopped; the same command goes on from here", STOPPED)
    with working(f"comparing the runs of {table}", shown=not common.json):
        reproduction = read_reproduction(asked, trained)
        pictures = reproduction.draw()
    command = _command_to_train(asked, changes, seeds=seeds, only=only, add=add or [])
    if common.json:
        tell_json(
            {
                **reproduction.to_json(),
                "command": command if reproduction.missing else None,
                "pictures": [str(picture) for picture in pictures],
            }
        )
    else:
        tell_reproduction(reproduction)
        if reproduction.missing:
            print()
            tell(f"Not recorded yet: {describe_missing(reproduction.missing)}. Train with: {command}")
        for picture in pictures:
            tell(str(picture))
    failed = [record for record in reproduction.records if record.status == "failed"]
    if trained and failed:
        first = f"{failed[0].row}, seed {failed[0].seed}: {failed[0].error}"
        return fail(f"{len(failed)} runs failed, and the same command tries them again; {first}", FAILED)
    return DONE


REPRODUCE = app["reproduce"]
"""The command with its own commands."""


def tell_reproduction(reproduction: "Reproduction") -> None:
    """Print the table beside the paper's numbers, and which claims held; at smoke scale, only that the runs work."""
    from rich.console import Console

    from resunit.reports.paper_comparison import comparison_for_terminal, verdicts_for_terminal
    from resunit.reproduction.comparison import ABOUT_LATER, claim_rows, later_rows, tally

    console = Console(highlight=False)
    if (signals := reproduction.signals) is not None:
        for design, record in signals.records.items():
            print(f"{design:28} {record.status}")
        for design in signals.missing:
            print(f"{design:28} missing")
        return
    console.print(comparison_for_terminal(reproduction.comparison))
    if reproduction.plan.scale == "smoke":
        counts = Counter(record.status for record in reproduction.records)
        diverged = f", {counts['diverged']} to a loss that is no number" if counts["diverged"] else ""
        console.print(
            f"\n{counts['done'] + counts['diverged']} of {counts.total()} runs went through{diverged}. "
            f"So few steps say nothing about a network; --scale {DEFAULT_SCALE} does."
        )
    elif pilots := reproduction.pilots:
        for each in pilots:
            console.print("\n" + "\n".join(each.lines()))
    elif reproduction.records:
        if outcomes := reproduction.outcomes:
            console.print()
            console.print(
                verdicts_for_terminal("Did the paper's claims hold here?", "claim", claim_rows(outcomes))
            )
            console.print(tally(outcomes))
        if later := reproduction.later:
            console.print()
            console.print(verdicts_for_terminal("Designs after the paper", "designs", later_rows(later)))
            console.print(ABOUT_LATER)


def describe_missing(missing: Sequence["PlannedRun"]) -> str:
    """Return the runs on one line: rows of the same seeds and setting together."""
    seeds_of_row: dict[tuple[str, str], list[int]] = defaultdict(list)
    for run in missing:
        seeds_of_row[run.row.id, run.setting.description].append(run.recipe.seed)
    rows: dict[tuple[tuple[int, ...], str], list[str]] = defaultdict(list)
    for (row, setting), seeds in seeds_of_row.items():
        rows[tuple(seeds), setting].append(row)
    return "; ".join(
        f"seed{'s' * (len(seeds) > 1)} {', '.join(map(str, seeds))} of {', '.join(names)} ({setting})"
        for (seeds, setting), names in rows.items()
    )


def _command_to_train(
    plan: "Plan", changes: Mapping[str, Any], *, seeds: int | None, only: str, add: Sequence[str]
) -> str:
    """Return the command that trains what is missing, without the options that are at their defaults."""
    needs_folder = any(row.network is not None and row.data is None for row in plan.table.rows)

    def options() -> Iterator[tuple[str, object]]:
        yield "--scale", None if plan.scale == DEFAULT_SCALE else plan.scale
        yield "--seeds", seeds
        yield "--only", None if only == "*" else only
        yield "--data", plan.data or ("FOLDER" if needs_folder else None)
        yield from (("--add", design) for design in add)
        yield from (("--pool", file) for file in plan.pool)
        yield "--out", None if plan.out == Path("results") else plan.out

    given = [f"{name} {shlex.quote(str(value))}" for name, value in options() if value is not None]
    return " ".join(["resunit reproduce", plan.name, "--run", *given, *spell_out_options(changes)])
