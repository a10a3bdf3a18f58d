"""`resunit evaluate` and `resunit predict`: what a trained network answers."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from resunit.cli.app import COMMON, DONE, Common, app, tell_json
from resunit.cli.training import tell_views
from resunit.errors import UsageError


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
        A run's folder or a weights.safetensors file.
    data
        The data set whose test images are used; by default the one it was trained on.
    tta
        Also give the error when the answers to several views of each image are averaged: mirrored and
        shifted ones, or ten crops for a network that was trained on crops.
    """
    from resunit.inference.classifier import evaluate_weights

    record = evaluate_weights(source, data, progress=not common.json, augmented=tta)
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
    from resunit.inference.classifier import predict_images

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
