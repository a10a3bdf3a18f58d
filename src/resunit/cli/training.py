"""`resunit train`: a recipe in, a run folder out."""

import os
import shlex
import sys
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from resunit.cli.app import COMMON, DIVERGED, DONE, STOPPED, Common, app, fail, tell_json
from resunit.errors import UsageError
from resunit.io.fields import to_json
from resunit.runs.schema import RunResult, ViewError

SAMPLE = "cifar10-sample"  # what `resunit train` falls back to on a machine that reaches no source
EXIT_CODES = {"done": DONE, "diverged": DIVERGED, "stopped": STOPPED}


@app.command(
    help_epilogue="Examples:\n"
    "  resunit train\n"
    "  resunit train --model preresnet56 --recipe paper --set steps=2000 --out runs/mine\n"
    "  resunit train --data photos/ --model preresnet20\n"
    "  resunit train --resume runs/mine"
)
def train(
    *,
    model: str | None = None,
    design: str | None = None,
    data: str | None = None,
    recipe: str | None = None,
    seed: int | None = None,
    out: Path | None = None,
    resume: Path | None = None,
    set: Annotated[list[str] | None, Parameter(negative="")] = None,
    common: Common = COMMON,
) -> int:
    """Train a network and report its test error.

    Parameters
    ----------
    model
        A name that `resunit models` lists; the recipe's own by default.
    design
        A row of the paper's Tables 1 and 2, such as shortcut-only-gating; or MODULE:CLASS, your own.
    data
        cifar10 (default), cifar100, cifar10-sample, or a folder of images in class folders.
    recipe
        quick (default), fast94, paper, fb or imagenet.
    seed
        Of the initial weights, the order and the augmentation.
    out
        The run's new folder; by default one under runs/.
    resume
        Continue the interrupted run in this folder.
    set
        FIELD=VALUE of the recipe, such as steps=400 or precision=fp32; repeatable.
    """
    from resunit.training.recipe import named_recipe
    from resunit.training.settings import with_settings

    if resume is not None:
        given = (model, design, data, recipe, seed, out, set)
        if any(value is not None for value in given):
            raise UsageError("--resume goes on as the run's recipe.json says; leave the other options out")
        from resunit.runs.folder import RunFolder
        from resunit.training.loop import resume as resume_run

        if RunFolder(resume).finished_result() is not None and not common.json:
            print(f"{resume} is finished; nothing is left to do")
        return tell_result(resume_run(resume, quiet=common.json), resume, common)

    if design is not None and ":" in design:
        from resunit.models.custom import add_design

        add_design(design)
    changes = {"model": model, "design": design, "data": data, "seed": seed}
    chosen = named_recipe(recipe or "quick")
    chosen = replace(chosen, **{name: value for name, value in changes.items() if value is not None})
    chosen = with_settings(chosen, set or [])
    from resunit.errors import Unreachable
    from resunit.runs.folder import default_folder
    from resunit.training.loop import train as train_run

    out = out or default_folder(chosen.name)
    notice = ""
    try:
        result = train_run(chosen, out=out, quiet=common.json)
    except Unreachable as error:
        asked_for = data is not None or any(setting.startswith("data=") for setting in set or [])
        if asked_for or "RANK" in os.environ:  # several processes have ended together
            raise
        notice = f"CIFAR-10 could not be had, so this is a run on the small sample ({SAMPLE}): {error}"
        print(notice, file=sys.stderr)
        result = train_run(replace(chosen, data=SAMPLE), out=out, quiet=common.json)
    code = tell_result(result, out, common)
    if notice:
        print(notice, file=sys.stderr)
    return code


def tell_result(result: RunResult, folder: Path, common: Common) -> int:
    """Print how a run ended (in one process of several, the first); the exit code says it too."""
    if os.environ.get("RANK", "0") != "0":
        return EXIT_CODES[result.status]
    if common.json:
        tell_json({**to_json(result), "out": str(folder)})
    elif result.status == "stopped":
        command = f"resunit train --resume {shlex.quote(str(folder))}"
        print(f"stopped after step {result.steps}; go on with: {command}")
    elif result.status == "diverged":
        fail(
            f"diverged at step {result.steps}: a loss or weight is not finite; the last good checkpoint "
            f"is kept in {folder / 'checkpoints'}; start a new run with a lower --learning-rate",
            DIVERGED,
        )
    else:
        split = result.split
        minutes = f"{result.wall_seconds / 60:.1f} minutes" if result.wall_seconds >= 60 else "under a minute"
        print(f"{result.model} on {result.data}, seed {result.seed}: {result.parameters:,} parameters")
        print(f"{split} error    {result.error:.2f} %  (last epoch)")
        print(
            f"best          {result.best_error:.2f} %  "
            f"(epoch {result.best_epoch:.4g}, chosen by its {split} error)"
        )
        tell_views(result.top5_error, result.views)
        print(f"cost          {result.train_flops / 1e15:.3g} PFLOP, {minutes}")
        print(f"weights       {folder / 'weights.safetensors'}")
    if not common.json:
        print(f"report        {folder / 'report.html'}")
    return EXIT_CODES[result.status]


VIEWS = {
    "large_crop": "a larger crop at a larger scale",
    "ten_crops": "ten crops",
    "mirror": "image and mirror image",
    "tta": "six views: shifted and mirrored too",
}


def tell_views(top5_error: float | None, views: Iterable[ViewError]) -> None:
    """Print the top-5 error of one view, and the errors on other views."""
    if top5_error is not None:
        print(f"top-5 error   {top5_error:.2f} %")
    for view in views:
        beside = "" if view.top5_error is None else f", top-5 {view.top5_error:.2f} %"
        print(f"with views    {view.error:.2f} %{beside}  ({VIEWS[view.view]})")
