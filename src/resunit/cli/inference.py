"""`resunit evaluate` and `resunit predict`: the answers of a trained network."""

import sys
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from resunit.cli.app import COMMON, DONE, FAILED, Common, app, fail, tell, tell_json
from resunit.cli.own_design import import_design_of
from resunit.cli.process import claim_process
from resunit.cli.training import tell_views
from resunit.errors import DataError, UsageError
from resunit.io.fields import to_json
from resunit.runs.judged_images import remark_on_few


@app.command(help_epilogue="Example:\n  resunit evaluate runs/quick-1 --data cifar10")
def evaluate(
    source: Path,
    *,
    data: str | None = None,
    tta: Annotated[bool, Parameter(negative="")] = False,
    common: Common = COMMON,
) -> int:
    """Evaluate a trained network on a test set.

    Parameters
    ----------
    source
        A run's folder, a weights.safetensors file, or an ONNX or OpenVINO file that `resunit export` wrote.
    data
        Evaluate on this data set: all images of a folder of classes, or its test or else its validation images; one
        line says how many of them the network was trained on. By default, on the images that training was judged on.
    tta
        Also give the errors with test-time augmentation: averaged over mirrored and shifted views, or over ten
        crops for a network that was trained on crops.
    """
    from resunit.inference.classifier import evaluate_weights

    claim_process()
    import_design_of(source)
    found = evaluate_weights(source, data, progress=not common.json, tta=tta)
    if common.json:
        tell_json(to_json(found))
    else:
        few = remark_on_few(found.classes, [sum(row) for row in found.confusion], found.split)
        tell(
            f"{found.data}: {found.images:,} images, {found.split} error {found.error:.2f} %, "
            f"loss {found.loss:.4f}{f'; {few}' if few else ''}"
        )
        for note in found.notes:
            tell(note, sys.stderr)
        tell_views(found.top5_error, found.views)
    return DONE


@app.command(help_epilogue="Example:\n  resunit predict runs/quick-1 cat.jpg dog.png --top 3")
def predict(source: Path, /, *images: Path, top: int = 3, common: Common = COMMON) -> int:
    """Predict the classes of image files, with probabilities.

    A file that is not a readable image is named, and the others are predicted all the same; the exit code is 1 then.

    Parameters
    ----------
    source
        A run's folder, a weights.safetensors file, or an ONNX or OpenVINO file that `resunit export` wrote.
    images
        Image files of any size and format that Pillow reads.
    top
        The number of classes to name for each image.
    """
    if not images:
        raise UsageError("predict needs image files: resunit predict SOURCE IMAGE...")
    if top < 1:
        raise UsageError(f"--top must be at least 1, not {top}")
    from resunit.inference.classifier import load

    claim_process()
    import_design_of(source)
    told: list[dict[str, Any]] = []
    code = DONE
    for image, answer in load(source).predict_files(images, top):
        if isinstance(answer, DataError):
            code = fail(answer, FAILED)
        elif common.json:
            classes = [{"class": name, "probability": probability} for name, probability in answer]
            told.append({"image": str(image), "classes": classes})
        else:
            tell(f"{image}: {', '.join(f'{name} {100 * p:.1f} %' for name, p in answer)}")
    if common.json:
        tell_json(told)
    return code
