"""`python -m benchmarks`: measure speed and memory next to other libraries."""

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from benchmarks.command import measure_subject, option
from benchmarks.document import write_document
from benchmarks.recipe_runs import RunStopped
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
    """Measure speed and memory next to other libraries, in turns.

    Parameters
    ----------
    subject
        train (a training step), growth (of its cost with depth), program (resunit train next to its bare
        step), memory, infer, serving (next to ONNX Runtime and OpenVINO), busy (beside other programs),
        startup, watch (the cost of measuring the propagation), accuracy (from recorded runs), sweep (over
        depth, width, batch size and threads), gpu (training steps on the GPU of this machine), or document,
        which writes docs/performance.md from the records.
    model
        A network that `resunit models` lists; give the option again for another one.
    against
        The libraries pytorchcv, torch-resnet and timm, with commas between them; all of them by default.
    batch_size
        The number of images a step.
    rounds
        The number of turns of each entry.
    train_seeds
        For accuracy: train so many seeds of each recipe first, which takes hours.
    out
        The folder of the records, which are added to its files bench-SUBJECT.jsonl.
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
            raise UsageError(f"document takes no {option(next(iter(options)))}")
        page = write_document(out, Path("docs"))
        if common.json:
            tell_json({"document": str(page)})
        else:
            print(page)
        return DONE
    try:
        document = measure_subject(subject, options, out, quiet=common.json)
    except RunStopped as stopped:
        return fail(stopped, STOPPED, common.debug)
    if common.json:
        tell_json(document)
    return DONE


if __name__ == "__main__":
    sys.exit(run(app, sys.argv[1:]))
