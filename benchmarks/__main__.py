"""`python -m benchmarks`: measure speed and memory beside other libraries."""

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from benchmarks.accuracy import Stopped
from benchmarks.command import bench
from benchmarks.document import write_document
from resunit.cli.app import COMMON, DONE, STOPPED, Common, fail, run, tell_json
from resunit.errors import UsageError

app = App(
    name="python -m benchmarks",
    help_format="plaintext",
    help_epilogue="Examples:\n"
    "  python -m benchmarks train --against pytorchcv\n"
    "  python -m benchmarks memory --json",
)


@app.default
def benchmark(
    subject: str,
    *,
    model: Annotated[list[str] | None, Parameter(negative="")] = None,
    against: str | None = None,
    batch_size: int | None = None,
    rounds: int | None = None,
    train_seeds: int | None = None,
    out: Path = Path("results"),
    common: Common = COMMON,
) -> int:
    """Measure speed and memory beside other libraries, which take turns in one run.

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
        How often every library has its turn.
    train_seeds
        For accuracy: train so many seeds of each recipe first, which takes hours.
    out
        The folder that the records, bench-SUBJECT.jsonl, are added to.
    """
    given = {
        "model": model,
        "against": against,
        "batch_size": batch_size,
        "rounds": rounds,
        "train_seeds": train_seeds,
    }
    options = {name: value for name, value in given.items() if value is not None}
    if subject == "document":
        if options:
            raise UsageError(f"document takes no --{next(iter(options)).replace('_', '-')}")
        page = write_document(out, Path("docs"))
        if common.json:
            tell_json({"document": str(page)})
        else:
            print(page)
        return DONE
    try:
        document = bench(subject, options, out, quiet=common.json)
    except Stopped as stopped:
        return fail(stopped, STOPPED, common.debug)
    if common.json:
        tell_json(document)
    return DONE


if __name__ == "__main__":
    sys.exit(run(app, sys.argv[1:]))
