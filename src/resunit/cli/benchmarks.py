"""`resunit bench`: speed and memory beside other libraries."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from resunit.cli.app import COMMON, DONE, STOPPED, Common, app, fail, tell_json
from resunit.names import UsageError


@app.command(
    help_epilogue="Examples:\n  resunit bench train --against pytorchcv\n  resunit bench memory --json"
)
def bench(
    subject: str,
    *,
    model: Annotated[list[str] | None, Parameter(negative="")] = None,
    against: str | None = None,
    batch_size: int | None = None,
    rounds: int | None = None,
    run: int | None = None,
    out: Path = Path("results"),
    common: Common = COMMON,
) -> int:
    """Measure speed and memory beside other libraries, taking turns in one run.

    Parameters
    ----------
    subject
        train (a step), growth (with depth), program (resunit train beside its bare step), infer, memory,
        startup, accuracy (from recorded runs), sweep (over depth, width, batch and threads), or document,
        which writes docs/performance.md from the records.
    model
        A network that `resunit models` lists; repeatable.
    against
        Libraries to compare with, of pytorchcv, torch-resnet and timm (all by default), with commas between.
    batch_size
        Images a step.
    rounds
        How often every contestant has its turn.
    run
        For accuracy: so many seeds of each recipe are trained first. That takes hours.
    out
        The folder that the records, bench-SUBJECT.jsonl, are added to.
    """
    given = {"model": model, "against": against, "batch_size": batch_size, "rounds": rounds, "run": run}
    options = {name: value for name, value in given.items() if value is not None}
    if subject == "document":
        from resunit.benchmarks.document import write_document

        if options:
            raise UsageError(f"bench document takes no --{next(iter(options))}")
        page = write_document(out, Path("docs"))
        if common.json:
            tell_json({"document": str(page)})
        else:
            print(page)
        return DONE
    from resunit.benchmarks.accuracy import Stopped
    from resunit.benchmarks.command import bench as measure

    try:
        document = measure(subject, options, out, quiet=common.json)
    except Stopped as stopped:
        return fail(stopped, STOPPED, common.debug)
    if common.json:
        tell_json(document)
    return DONE
