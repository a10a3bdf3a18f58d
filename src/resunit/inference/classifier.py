"""Trained networks at work: a run's folder or a weights file alone is all that is needed."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from resunit.data import Normalisation, centre, load, read_images, stream
from resunit.errors import FileFormatError, UsageError
from resunit.inference.fuse import fold
from resunit.inference.onednn import packed
from resunit.models.network import ResidualNetwork
from resunit.models.weights import WeightsFile, read_weights
from resunit.ops.cpu.allocator import keep_freed_memory
from resunit.ops.processor import supports_bf16
from resunit.runs.folder import RunFolder
from resunit.training.devices import resolve_device
from resunit.training.distributed import start_distributed
from resunit.training.evaluation import evaluate, evaluate_views, logits_of
from resunit.training.precision import PRECISIONS
from resunit.training.setup import AnyDataset


@dataclass(frozen=True)
class Classifier:
    """A trained network with what it needs to read images and name classes.

    Images are scaled to `shorter_side`, and their centre of `image_size` is what the network sees.
    """

    file: WeightsFile
    network: ResidualNetwork
    normalisation: Normalisation
    image_size: int
    shorter_side: int
    precision: str

    def load(self, name: str, progress: bool) -> AnyDataset:
        """The data set `name` as this network was trained on it; raises FileFormatError for other classes."""
        if self.shorter_side == self.image_size:
            dataset = load(name, image_size=self.image_size, progress=progress)
        else:
            dataset = stream(name, image_size=self.image_size)
        if dataset.classes != self.file.classes:
            raise FileFormatError(
                f"{self.file.path}: knows {in_short(self.file.classes)}, "
                f"{name} has {in_short(dataset.classes)}; --data must have the classes it was trained on"
            )
        return dataset


def load_classifier(source: Path, device: torch.device) -> Classifier:
    """The network in `source`, a run's folder or a weights file; raises FileFormatError."""
    path = source
    if source.is_dir():
        path = RunFolder(source).weights
        if not path.exists():
            raise FileFormatError(f"{source}: has no weights.safetensors; only a finished run has")
    file = read_weights(path)
    keep_freed_memory(device)
    network = file.build().to(device).to(memory_format=torch.channels_last).eval()
    try:
        normalisation = Normalisation.from_json(file.preprocessing["normalisation"]).to(device)
        image_size = file.preprocessing["image_size"]
        shorter_side = file.preprocessing.get("shorter_side", image_size)
        normalisation(torch.zeros(1, 3, image_size, image_size, dtype=torch.uint8, device=device))
    except (KeyError, TypeError, ValueError, RuntimeError, UsageError) as error:
        raise FileFormatError(f"{path}: does not say how images are prepared ({error})") from error
    trained_in = file.result.get("precision")
    precision = "bf16" if trained_in == "bf16" and supports_bf16(device) else "fp32"
    return Classifier(file, network, normalisation, image_size, shorter_side, precision)


def evaluate_weights(
    source: Path, data: str | None, progress: bool, augmented: bool = False
) -> dict[str, Any]:
    """Evaluate `source` on the test images of `data` (by default what it was trained on).

    `augmented` adds the errors of several views of each image together, beside those of one plain view.

    Raises FileFormatError if the data set's classes are not the network's.
    """
    worker = start_distributed("auto")
    classifier = load_classifier(source, worker.device)
    name = data or classifier.file.result.get("data")
    if not isinstance(name, str):
        raise UsageError(f"{source} does not say what it was trained on; give --data")
    dataset = classifier.load(name, progress).to(worker.device)
    network = packed(classifier.network, PRECISIONS[classifier.precision])
    how = (network, dataset.test, classifier.normalisation, classifier.precision, worker)
    evaluation = evaluate(*how)
    errors = evaluation.errors | evaluate_views(*how, augmented).errors
    return {
        "weights": str(classifier.file.path),
        "data": name,
        "images": len(dataset.test.labels),
        "split": dataset.split_name,
        f"{dataset.split_name}_loss": evaluation.loss,
        **{f"{dataset.split_name}_{name}": error for name, error in errors.items()},
        "confusion": evaluation.confusion(),
        "classes": list(dataset.classes),
        "precision": classifier.precision,
    }


def in_short(classes: tuple[str, ...]) -> str:
    more = ", ..." if len(classes) > 3 else ""
    return f"{len(classes)} classes ({', '.join(classes[:3])}{more})"


def predict_images(source: Path, images: list[Path], top: int) -> list[dict[str, Any]]:
    """The `top` classes of each image file with their probabilities, best first."""
    device = resolve_device("auto")
    classifier = load_classifier(source, device)
    pixels = centre(read_images(images, classifier.shorter_side), classifier.image_size).to(device)
    network = fold(classifier.network, PRECISIONS[classifier.precision])
    logits = logits_of(network, pixels, classifier.normalisation, classifier.precision)
    best = logits.softmax(1).topk(min(top, logits.shape[1]))
    names = classifier.file.classes
    return [
        {
            "image": str(path),
            "classes": [
                {"class": names[index], "probability": probability}
                for probability, index in zip(values, indices, strict=True)
            ],
        }
        for path, values, indices in zip(images, best.values.tolist(), best.indices.tolist(), strict=True)
    ]
