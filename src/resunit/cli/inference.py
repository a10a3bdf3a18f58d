"""`resunit evaluate` and `resunit predict`: the answers of a trained network."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from resunit.cli.app import COMMON, DONE, FAILED, Common, app, fail, tell, tell_json, telling_json_list
from resunit.cli.own_design import import_design_of
from resunit.cli.process import claim_process
from resunit.cli.training import tell_views
from resunit.errors import UsageError
from resunit.io.fields import to_json
from resunit.io.format import format_count
from resunit.io.progress import counting
from resunit.runs.judged_images import remark_on_few

if TYPE_CHECKING:
    from resunit.inference.explained_image import ExplainedImage


@app.command(help_epilogue="Example:\n  resunit evaluate runs/quick-1 --data cifar10")
def evaluate(
    source: Path,
    *,
    data: str | None = None,
    tta: Annotated[bool, Parameter(negative="")] = False,
    common: Common = COMMON,
) -> int:
    """Evaluate a trained network on a test set.

    Args:
        source: A run's folder, a weights.safetensors file, an ONNX or OpenVINO file that `resunit export` wrote,
            or "imagenet" for the published ResNet-50.
        data: Evaluate on this data set. Of a folder with train/, val/ or test/ the test images are taken, or
            else the validation images; of any other folder all images. One line says how many of them the
            network was trained on. By default, on the images that training was judged on.
        tta: Also give the errors with test-time augmentation: averaged over mirrored and shifted views, or
            over ten crops for a network that was trained on crops.
    """
    from resunit.inference.weights_evaluation import evaluate_weights

    claim_process()
    import_design_of(source)
    found = evaluate_weights(source, data, progress=not common.json, tta=tta)
    if common.json:
        tell_json(to_json(found))
    else:
        few = remark_on_few(found.classes, found.images_by_class, found.split)
        tell(
            f"{data or found.data}: {found.images:,} images, {found.split} error {found.error:.2f} %, "
            f"loss {found.loss:.4f}{f'; {few}' if few else ''}"
        )
        for note in found.notes:
            tell(note, sys.stderr)
        tell_views(found.top5_error, found.views)
    return DONE


@app.command(
    help_epilogue="Examples:\n"
    "  resunit predict runs/quick-1 cat.jpg dog.png --top 3\n"
    "  resunit predict runs/quick-1 photos/ --csv answers.csv --html answers.html"
)
def predict(
    source: Path,
    /,
    *images: Path,
    top: int = 3,
    csv: Path | None = None,
    html: Path | None = None,
    common: Common = COMMON,
) -> int:
    """Predict the classes of image files, with probabilities.

    A file that is not a readable image is named, and the others are predicted all the same; the exit code is 1 then.
    A limited number of files is in memory at a time, so a folder may hold any number of them.

    Args:
        source: A run's folder, a weights.safetensors file, an ONNX or OpenVINO file that `resunit export` wrote,
            or "imagenet" for the published ResNet-50.
        images: Image files of any size and format that Pillow reads, and folders, whose visible images are
            taken at any depth.
        top: The number of classes to name for each image.
        csv: Write the answers into this file of comma-separated values, a line for each image, and print none of
            them.
        html: Write a page of the images, their first classes and where the evidence lies, and print no
            answers. An exported file does not say where the evidence lies, so its page leaves that out.
    """
    if not images:
        raise UsageError("predict needs image files: resunit predict SOURCE IMAGE...")
    if top < 1:
        raise UsageError(f"--top must be at least 1, not {top}")
    if csv is not None and csv == html:
        raise UsageError(f"--csv and --html both name {csv}; give two files")
    for option, out in (("--csv", csv), ("--html", html)):
        if out in (source, *images):
            raise UsageError(f"{option} {out} would write over what is read; give another file")
    from resunit.data.image_files import Unreadable, named_images
    from resunit.inference.classifier import load
    from resunit.inference.predictions_page import written_page
    from resunit.inference.predictions_table import written_table

    claim_process()
    import_design_of(source)
    classifier = load(source)
    writes_files = csv is not None or html is not None
    shows_progress = writes_files and not common.json
    code, answered = DONE, 0
    with ExitStack() as outputs:
        page = None if html is None else outputs.enter_context(written_page(html, f"Answers of {source}"))
        takers: list[Callable[[ExplainedImage], None]] = [] if page is None else [page.add]
        if csv is not None:
            takers.append(outputs.enter_context(written_table(csv, min(top, len(classifier.classes)))))
        if common.json:
            tell_entry = outputs.enter_context(telling_json_list())
            takers.append(lambda image: tell_entry(_answers_to_json(image)))
        elif not writes_files:
            takers.append(_print_answers)
        total = sum(1 for _ in named_images(images)) if shows_progress else 0
        advance = outputs.enter_context(counting("predicting", total, shows_progress))
        for found in classifier.explain_files(images, top):
            if isinstance(found, Unreadable):
                code = fail(found.error, FAILED)
                if page is not None:
                    page.add_problem(found.error)
            else:
                answered += 1
                for take in takers:
                    take(found)
            advance(1)
    if not common.json:
        for path in filter(None, (csv, html)):
            tell(f"{path}: {format_count(answered, 'image')}")
    return code


def _print_answers(image: ExplainedImage) -> None:
    """Print the answers for one image as a line."""
    tell(f"{image.path}: {', '.join(f'{name} {100 * p:.1f} %' for name, p in image.answers)}")


def _answers_to_json(image: ExplainedImage) -> dict[str, Any]:
    classes = [{"class": name, "probability": probability} for name, probability in image.answers]
    return {"image": str(image.path), "classes": classes}
