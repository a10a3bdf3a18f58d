"""`resunit evaluate` and `resunit predict`: the answers of a trained network."""

from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from resunit.cli.app import COMMON, DONE, Common, app, tell_json
from resunit.cli.training import tell_views
from resunit.errors import UsageError
from resunit.runs.schema import View, ViewError


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
        Evaluate on the test images of this data set; by default the one that the network was trained on.
    tta
        Also give the errors with test-time augmentation: averaged over mirrored and shifted views, or over ten
        crops for a network that was trained on crops.
    """
    from resunit.inference.classifier import evaluate_weights

    record = evaluate_weights(source, data, progress=not common.json, augmented=tta)
    if common.json:
        tell_json(record)
    else:
        split = record["split"]
        error, loss = record[f"{split}_error"], record[f"{split}_loss"]
        print(f"{record['data']}: {record['images']:,} images, {split} error {error:.2f} %, loss {loss:.4f}")
        tell_views(record.get(f"{split}_top5_error"), _views(record, split))
    return DONE


def _views(record: dict[str, Any], split: str) -> list[ViewError]:  # integrator: if evaluation is typed, its views
    names: dict[View, str] = {
        "large_crop": "large_crop", "ten_crops": "ten_crops", "mirror": "mirrored_views", "tta": "tta",
    }  # fmt: skip
    return [
        ViewError(view, record[f"{split}_error_{name}"], record.get(f"{split}_top5_error_{name}"))
        for view, name in names.items()
        if f"{split}_error_{name}" in record
    ]


@app.command(help_epilogue="Example:\n  resunit predict runs/quick-1 cat.jpg dog.png --top 3")
def predict(source: Path, /, *images: Path, top: int = 3, common: Common = COMMON) -> int:
    """Predict the classes of image files, with probabilities.

    Parameters
    ----------
    source
        A run's folder or a weights.safetensors file.
    images
        Image files of any size and format that Pillow reads.
    top
        The number of classes to name for each image.
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
