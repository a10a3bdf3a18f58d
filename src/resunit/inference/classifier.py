"""A trained classifier, loaded from a run's folder, a weights file or an exported file alone."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any, TypeAlias, overload

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor, nn

from resunit.data import (
    JudgedImages,
    Normalisation,
    centre,
    load_judged,
    read_images,
    stream,
)
from resunit.data import load as load_data
from resunit.data.image_files import Unreadable, named_images
from resunit.data.images import decode_all, square
from resunit.data.loading import KNOWN
from resunit.data.remarks import print_remarks
from resunit.errors import DataError, FileFormatError, UsageError
from resunit.inference.explained_image import Answers, ExplainedImage
from resunit.inference.exported import (
    ExportedNetwork,
    check_answers,
    is_exported,
    outer_normalisation,
    read_exported,
)
from resunit.inference.fuse import fold
from resunit.inference.onednn import copy_packed
from resunit.io.places import user_path
from resunit.models.network import ResidualNetwork
from resunit.models.registry import stored_weights
from resunit.models.weights import NetworkRecord, read_weights
from resunit.ops.processor import supports_bf16, supports_tf32
from resunit.training.class_activation_map import compute_mapped_logits
from resunit.training.data_of_run import AnyDataset
from resunit.training.devices import resolve_device
from resunit.training.evaluation import PIXELS_AT_ONCE, compute_logits
from resunit.training.precision import PRECISIONS
from resunit.training.preprocessing import preprocessing_of
from resunit.training.process_state import isolated_process_state

GREY, COLOURS = 1, 3  # channels; image files are read in colour

Picture: TypeAlias = str | Path | Image.Image | npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Classifier:
    """A trained network with everything that it needs to read images and to name classes."""

    file: NetworkRecord
    network: ResidualNetwork | ExportedNetwork
    """The network in evaluation mode. `predict` uses a copy of ours, which is made at its first call."""
    normalisation: Normalisation
    image_size: int
    """The side in pixels of the square that the network sees."""
    shorter_side: int
    """The side in pixels that images are scaled to before their centre of `image_size` is cut out."""
    precision: str
    """The arithmetic of evaluation, "bf16", "tf32" or "fp32"."""
    skip_broken: int
    """How many unreadable images training was allowed to leave out of its own data."""

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes, in the order of the logits."""
        return self.file.classes

    @overload
    def predict(self, images: Picture, top: int = ...) -> Answers: ...

    @overload
    def predict(self, images: Sequence[Picture], top: int = ...) -> list[Answers]: ...

    @isolated_process_state()
    def predict(self, images: Picture | Sequence[Picture], top: int = 5) -> Answers | list[Answers]:
        """Name what images show.

        Args:
            images: one image or a sequence of images of any sizes. Each is a path, a PIL image, or an array
                (H, W, 3) uint8.
            top: how many classes to name for each image; all are named if there are fewer.

        Returns:
            The (class, probability) pairs of one image, the most probable first; for a sequence, a list of
            these, one for each image.

        Raises:
            UsageError: `top` is below 1, or an image is of another kind, type or shape.
            DataError: a file is not a readable image.
            FileFormatError: the network answers with numbers that are not finite.
        """
        _check_top(top)
        if isinstance(images, str | Path | Image.Image | np.ndarray):
            return self._answer([images], top)[0]
        return self._answer(images, top)

    def predict_files(
        self, paths: Iterable[Path], top: int = 5
    ) -> Iterator[tuple[Path, Answers | DataError]]:
        """Yield the answers for image files one after the other, in memory for some of them at a time.

        Args:
            paths: image files, and folders, whose visible images are taken at any depth.
            top: how many classes to name for each image.

        Yields:
            The path with its answers, as `predict` returns them, or with the error of a file that is no readable
            image or of a folder that holds none.

        Raises:
            UsageError: `top` is below 1.
            FileFormatError: the network answers with numbers that are not finite.
        """
        for found in self.explain_files(paths, top):
            yield found.path, found.error if isinstance(found, Unreadable) else found.answers

    def explain_files(self, paths: Iterable[Path], top: int = 5) -> Iterator[ExplainedImage | Unreadable]:
        """Yield what `predict_files` does, with what the network saw and where the evidence for its answer lies.

        An exported network does not say where the evidence lies.
        """
        _check_top(top)
        named = iter(named_images(paths))
        at_once = max(1, PIXELS_AT_ONCE // self.image_size**2)
        while part := list(islice(named, at_once)):
            yield from self._explain(part, top)

    @isolated_process_state()
    def _explain(self, part: Sequence[Path | Unreadable], top: int) -> list[ExplainedImage | Unreadable]:
        files = [path for path in part if isinstance(path, Path)]
        decoded = decode_all(files, self.shorter_side, skip_broken=len(files))
        print_remarks(decoded.remarks)
        broken = {files[index]: error for index, error in decoded.broken.items()}
        explained = self._explain_pixels(decoded.images, top)
        found: list[ExplainedImage | Unreadable] = []
        for path in part:
            if isinstance(path, Unreadable):
                found.append(path)
            elif path in broken:
                found.append(Unreadable(path, broken[path]))
            else:
                found.append(ExplainedImage(path, *next(explained)))
        return found

    def _explain_pixels(self, images: Tensor, top: int) -> Iterator[tuple[Answers, Tensor, Tensor | None]]:
        """Yield the answers, the seen square and the evidence of each of the decoded images (N, 3, H, W)."""
        if not len(images):
            return
        seen = centre(images, self.image_size)
        pixels = seen.to(self.normalisation.mean.device)
        maps: Sequence[Tensor | None] = [None] * len(seen)
        if isinstance(self.network, ExportedNetwork):  # It gives no activations.
            logits = compute_logits(self._folded, pixels, self.normalisation, self.precision)
        else:
            network, classifier = self._folded, self.network.classifier
            assert isinstance(network, ResidualNetwork)
            assert isinstance(classifier, nn.Linear)  # `load` refuses a network without classes.
            found = compute_mapped_logits(network, classifier, pixels, self.normalisation, self.precision)
            logits, maps = found.logits, list(found.maps.cpu())
        yield from zip(self._name(logits, top), seen, maps, strict=True)

    def _answer(self, images: Sequence[Picture], top: int) -> list[Answers]:
        if not images:
            return []
        pixels = centre(_read(images, self.shorter_side), self.image_size).to(self.normalisation.mean.device)
        return self._name(compute_logits(self._folded, pixels, self.normalisation, self.precision), top)

    def _name(self, logits: Tensor, top: int) -> list[Answers]:
        """Return the first `top` answers of each row of logits (N, classes). Raises FileFormatError."""
        if not bool(logits.isfinite().all()):
            raise not_finite(self.file)
        best = logits.softmax(1).topk(min(top, logits.shape[1]))
        return [
            [(self.classes[index], value) for value, index in zip(values, indices, strict=True)]
            for values, indices in zip(best.values.tolist(), best.indices.tolist(), strict=True)
        ]

    @cached_property
    def _folded(self) -> nn.Module:
        return self._copy_by(fold)

    def copy_for_evaluation(self) -> nn.Module:
        """Return a copy of the network that computes faster; an exported network is returned as it is."""
        return self._copy_by(copy_packed)

    def _copy_by(self, copy: Callable[[ResidualNetwork, torch.dtype], nn.Module]) -> nn.Module:
        if isinstance(self.network, ExportedNetwork):
            return self.network
        return copy(self.network, PRECISIONS[self.precision])

    @isolated_process_state()
    def load_dataset(self, name: str | None = None, *, progress: bool = False) -> AnyDataset:
        """Return a data set, prepared as the network was trained.

        Args:
            name: as `resunit.data.load` takes it; by default the data set that the network was trained on.
            progress: whether progress is shown on stderr.

        Raises:
            UsageError: no name is given, and the weights file has none.
            DataError: the data cannot be fetched or read.
            FileFormatError: the data set has other classes than the network.
        """
        name = name or self._own_data()
        load_set = stream if self.is_streamed else load_data
        dataset = load_set(
            name,
            image_size=self.image_size,
            progress=progress,
            skip_broken=self._skip_broken(name),
        )
        if dataset.classes != self.classes:
            raise FileFormatError(
                f"{self.file.path}: knows {_shorten(self.classes)}, and {name} has "
                f"{_shorten(dataset.classes)}; --data must have the classes that the network was trained on"
            )
        return dataset

    @isolated_process_state()
    def load_judged(self, name: str | None = None, *, progress: bool = False) -> JudgedImages:
        """Return the images of a data set that the network is judged on, prepared as it was trained.

        Without a name, these are the images that training judged it on. Of a folder of classes they are all
        images, and of one with splits its test images, else its validation images; a note says how many of them
        the network was trained on.

        Args:
            name: as for `load_dataset`.
            progress: whether progress is shown on stderr.

        Raises:
            UsageError: no name is given, and the weights file has none.
            DataError: the data cannot be fetched or read, or have a class that the network does not know.
            FileFormatError: no name is given, and the data set that the network was trained on has other classes
                by now.
        """
        if name is None:
            dataset = self.load_dataset(progress=progress)
            return JudgedImages(dataset.name, dataset.test, dataset.split_name, dataset.notes)
        own = self.file.result.get("data")
        return load_judged(
            name,
            self.classes,
            self.image_size,
            streamed=self.is_streamed,
            progress=progress,
            trained_on=Path(own) if isinstance(own, str) and Path(own).is_absolute() else None,
            skip_broken=self._skip_broken(name),
        )

    @property
    def is_streamed(self) -> bool:
        """Whether the network was trained on crops of files, which stay on disk."""
        return self.shorter_side != self.image_size

    def _own_data(self) -> str:
        name = self.file.result.get("data")
        if not isinstance(name, str):
            raise UsageError(f"{self.file.path} does not say what it was trained on; give --data")
        if name not in KNOWN and not Path(name).is_absolute():
            raise UsageError(
                f"{self.file.path} was trained on images that Python code gave, called {name!r}; give --data FOLDER"
            )
        return name

    def _skip_broken(self, name: str) -> int:
        """Return how many unreadable images of a data set may be left out: as many as training left out of its own."""
        own = self.file.result.get("data")
        if not isinstance(own, str):
            return 0
        is_own = name == own or (Path(own).is_absolute() and user_path(name).resolve() == Path(own))
        return self.skip_broken if is_own else 0


@isolated_process_state()
def load(path: str | Path, *, device: str = "auto") -> Classifier:
    """Return the trained network in a run's folder, a weights file or an exported file.

    Args:
        path: the folder of a finished run, a weights.safetensors file, or "imagenet" for the published ResNet-50;
            or what `resunit export` wrote for ONNX or OpenVINO, or as a folder for the hub.
        device: a torch device; "auto" is a GPU if there is one, else the CPU. Exported files compute on the CPU.

    Raises:
        FileFormatError: the file is missing, damaged, foreign or of a newer format.
        UsageError: the device is not available, or the library that computes with an exported file.
    """
    chosen = resolve_device(device)
    if is_exported(user_path(path)):
        return _load_exported(user_path(path), chosen)
    file = read_weights(stored_weights(path))
    if not file.classes:
        raise FileFormatError(
            f"{file.path}: its network has no classes to name; `resunit train --weights {file.path} --data FOLDER` "
            "trains a classifier, and resunit.create_model(weights=...) gives its features"
        )
    if file.spec.in_channels not in (GREY, COLOURS):
        raise FileFormatError(
            f"{file.path}: its network takes images of {file.spec.in_channels} channels, and image files are read in "
            f"{COLOURS}; resunit.create_model(weights=...) gives the network"
        )
    # The first convolution of a network for grey images takes the mean of the colours.
    network = file.build(in_channels=COLOURS).to(chosen).to(memory_format=torch.channels_last).eval()
    preprocessing = preprocessing_of(file)
    trained_in = file.result.get("precision")
    supports = {"bf16": supports_bf16, "tf32": supports_tf32}.get(str(trained_in))
    precision = str(trained_in) if supports is not None and supports(chosen) else "fp32"
    return Classifier(
        file=file,
        network=network,
        normalisation=preprocessing.normalisation.to(chosen),
        image_size=preprocessing.image_size,
        shorter_side=preprocessing.shorter_side,
        precision=precision,
        skip_broken=preprocessing.skip_broken,
    )


def _load_exported(path: Path, device: torch.device) -> Classifier:
    record, network = read_exported(path)
    preprocessing = preprocessing_of(record)
    check_answers(record, network, preprocessing.image_size)
    return Classifier(
        file=record,
        network=network,
        normalisation=outer_normalisation(preprocessing.normalisation, network.layout).to(device),
        image_size=preprocessing.image_size,
        shorter_side=preprocessing.shorter_side,
        precision="fp32",
        skip_broken=preprocessing.skip_broken,
    )


def _check_top(top: int) -> None:
    if top < 1:
        raise UsageError(f"top must be at least 1, not {top}")


def not_finite(file: NetworkRecord) -> FileFormatError:
    """Return the error for a network whose answers are not finite."""
    return FileFormatError(
        f"{file.path}: its network answers with numbers that are not finite; take weights of another run"
    )


def _read(images: Sequence[Picture], side: int) -> Tensor:
    """Return the centre squares (N, 3, side, side) uint8 of images. Raises UsageError or DataError."""
    if all(isinstance(image, str | Path) for image in images):
        return read_images([Path(image) for image in images], side)  # pyright: ignore[reportArgumentType]
    return torch.stack([_read_one(image, side) for image in images])


def _read_one(image: Any, side: int) -> Tensor:
    if isinstance(image, str | Path):
        return read_images([image], side)[0]
    if isinstance(image, Image.Image):
        return square(image, side)
    if not isinstance(image, np.ndarray):
        kind = type(image).__name__
        raise UsageError(f"an image is a path, a PIL image or an array (H, W, 3) uint8, not {kind}")
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise UsageError(f"an image's array is (H, W, 3) uint8, not {image.shape} {image.dtype}")
    return square(Image.fromarray(image), side)


def _shorten(classes: tuple[str, ...]) -> str:
    more = ", ..." if len(classes) > 3 else ""
    return f"{len(classes)} classes ({', '.join(classes[:3])}{more})"
