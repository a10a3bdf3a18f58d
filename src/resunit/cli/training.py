"""`resunit train`: trains the network of a recipe and writes the folder of the run."""

import sys
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Annotated

from resunit.cli.app import COMMON, DIVERGED, DONE, STOPPED, Common, app, fail, tell, tell_json, typed_command
from resunit.cli.options import LEFT_OVER, own_design_options, recipe_options, split_arguments
from resunit.cli.own_design import import_design, import_design_of
from resunit.cli.process import claim_process
from resunit.errors import Unreachable, UsageError
from resunit.io.fields import to_json
from resunit.io.places import user_path
from resunit.reports.key_numbers import LABELS_OF_VIEWS
from resunit.runs.folder import RunFolder, default_folder, newest_run, resume_command
from resunit.runs.schema import RunResult, ViewError
from resunit.training.launch import check_can_be_found_again, read_launch
from resunit.training.recipe import Recipe, read_recipe, read_stored_recipe, with_changes
from resunit.training.recipes import named_recipe

SAMPLE = "cifar10-sample"  # `resunit train` takes it on a machine that reaches no source of CIFAR-10.
EXIT_CODES = {"done": DONE, "diverged": DIVERGED, "stopped": STOPPED}
SECONDS_A_MINUTE = 60

RecipeOptions = recipe_options()
NONE_GIVEN = RecipeOptions()


@app.command(
    help_epilogue="Examples:\n"
    "  resunit train\n"
    "  resunit train --model preresnet56 --recipe paper --steps 2000 --out runs/mine\n"
    "  resunit train --data photos/ --model preresnet20\n"
    "  resunit train --data photos/ --weights runs/mine --freeze stem,stage1 --head-learning-rate 0.1\n"
    "  resunit train --config runs/mine/recipe.json --seed 1\n"
    "  resunit train --resume runs/mine\n"
    "  resunit train --resume last --epochs 20"
)
def train(
    *left_over: Annotated[str, LEFT_OVER],
    recipe: str | None = None,
    config: Path | None = None,
    out: Path | None = None,
    resume: Path | None = None,
    options: RecipeOptions = NONE_GIVEN,  # pyright: ignore[reportInvalidTypeForm]
    common: Common = COMMON,
) -> int:
    """Train a network and report its test error.

    Every option below varies the recipe. A design of your own (--design MODULE:CLASS) takes its options too.
    The recipe.json of a run holds the value of every field, also of those that no option changed.

    Args:
        recipe: Start from this recipe: quick (default), fast94, paper, fb, imagenet or finetune.
        config: Start from the recipe.json of a run instead; options given beside it replace its fields.
        out: Write the run into this new folder; by default one under runs/.
        resume: Continue the interrupted run in this folder; "last" is the newest under runs/. With a new
            total, --steps or --epochs, a run that is done goes on too, and its schedule is stretched to the
            new length.
    """
    words, own = split_arguments(left_over)
    if words:
        raise UsageError(f"train takes options only, not {words[0]!r}; see resunit train --help")
    changes = options.changes()
    if resume is not None:
        length = {name: changes.pop(name) for name in ("steps", "epochs") if name in changes}
        if changes or own or any(value is not None for value in (recipe, config, out)):
            raise UsageError(
                "--resume goes on as the run's recipe.json says, and takes a new --steps or --epochs; leave the "
                "other options out"
            )
        is_word = str(resume) == "last" and not resume.exists()  # A folder may have this name too.
        return _resume(newest_run() if is_word else resume, common, **length)
    if recipe is not None and config is not None:
        raise UsageError("--recipe and --config both say where to start; give one of them")
    start = named_recipe(recipe or "quick") if config is None else read_recipe(config)
    design = changes.get("design", start.design)
    chosen = with_changes(start, changes | own_design_options(design, own, app["train"]))
    if chosen.weights is not None:
        import_design_of(user_path(chosen.weights))
    data_was_chosen = "data" in changes or config is not None

    with _folder_for(chosen.name, out) as folder:
        return _do_resumable(folder, lambda: _train_with_any_data(chosen, folder, data_was_chosen, common))


def _folder_for(name: str, out: Path | None) -> AbstractContextManager[Path]:
    """Return the folder of a new run: `out`, or one that is held for it; rank 0 alone holds one."""
    check_can_be_found_again(out)
    if out is not None:
        return nullcontext(out)
    return default_folder(name) if read_launch().is_main else nullcontext(Path("runs") / name)


def _do_resumable(folder: Path, work: Callable[[], int]) -> int:
    """Train or resume a run and return the exit code; an interruption outside of its steps prints how to resume it.

    An interruption before the run began has nothing to go on with, and is left to the command line.
    """
    try:
        return work()
    except KeyboardInterrupt:
        if not RunFolder(folder).recipe.exists():
            raise
        return fail(f"interrupted; go on with: {resume_command(folder)}", STOPPED)


def _train_with_any_data(recipe: Recipe, out: Path, data_was_chosen: bool, common: Common) -> int:
    """Train, on the sample where no source of CIFAR-10 can be reached, and return the exit code."""
    try:
        return tell_result(_train(recipe, out, common), out, common, recipe.data)
    except Unreachable as error:
        if data_was_chosen or read_launch().world_size > 1:  # Several processes have ended together.
            raise
        notice = f"CIFAR-10 could not be had, so this is a run on the small sample ({SAMPLE}): {error}"
    tell(notice, sys.stderr)
    code = tell_result(_train(replace(recipe, data=SAMPLE), out, common), out, common)
    tell(notice, sys.stderr)
    return code


def _train(recipe: Recipe, out: Path, common: Common) -> RunResult:
    from resunit.training.loop import train as train_run

    claim_process()
    return train_run(recipe, out=out, quiet=common.json, command=typed_command.get())


def _resume(folder: Path, common: Common, steps: int | None = None, epochs: float | None = None) -> int:
    def go_on() -> int:
        from resunit.training.loop import resume as resume_run

        run = RunFolder(folder)
        stored = read_stored_recipe(run)
        if run.read_finished_result() is None or steps is not None or epochs is not None:
            import_design(stored.design, run.recipe)
            if stored.weights is not None:
                import_design_of(user_path(stored.weights))
        elif not common.json:
            tell(f"{folder} is finished; nothing is left to do")
        claim_process()
        return tell_result(resume_run(folder, steps=steps, epochs=epochs, quiet=common.json), folder, common)

    return _do_resumable(folder, go_on)


def tell_result(result: RunResult, folder: Path, common: Common, data: str | None = None) -> int:
    """Print how a run ended, on rank 0 alone, and return the exit code; `data` is the data set as it was typed."""
    if not read_launch().is_main:
        return EXIT_CODES[result.status]
    if common.json:
        tell_json({**to_json(result), "out": str(folder)})
        return EXIT_CODES[result.status]
    if result.status == "stopped":
        tell(f"stopped after step {result.steps}; go on with: {resume_command(folder)}")
    elif result.status == "diverged":
        fail(
            f"diverged at step {result.steps}: a loss or weight is not finite; the last good checkpoint is kept "
            f"in {folder / 'checkpoints'}; start a new run with a lower --learning-rate",
            DIVERGED,
        )
    else:
        _tell_numbers(result, data or result.data)
        tell(f"weights       {folder / 'weights.safetensors'}")
    tell(f"report        {folder / 'report.html'}")
    return EXIT_CODES[result.status]


def _tell_numbers(result: RunResult, data: str) -> None:
    minutes = result.wall_seconds / SECONDS_A_MINUTE
    time = f"{minutes:.1f} minutes" if minutes >= 1 else "under a minute"
    tell(f"{result.model} on {data}, seed {result.seed}: {result.parameters:,} parameters")
    print(f"{result.split} error    {result.error:.2f} %  ({result.kept_at})")
    if result.last_step_error is not None:
        print(f"last step     {result.last_step_error:.2f} %  (its weights are not the ones that are kept)")
    print(
        f"best          {result.best_error:.2f} %  (epoch {result.best_epoch:.4g}, chosen by its "
        f"{result.watched} error)"
    )
    tell_views(result.top5_error, result.views)
    print(f"cost          {result.train_flops / 1e15:.3g} PFLOP, {time}")


def tell_views(top5_error: float | None, views: Iterable[ViewError]) -> None:
    """Print the top-5 error of the plain view, if there is one, and the errors on other views, in percent."""
    if top5_error is not None:
        print(f"top-5 error   {top5_error:.2f} %")
    for view in sorted(views, key=lambda view: list(LABELS_OF_VIEWS).index(view.view)):
        top5 = "" if view.top5_error is None else f", top-5 {view.top5_error:.2f} %"
        print(f"with views    {view.error:.2f} %{top5}  ({LABELS_OF_VIEWS[view.view]})")
