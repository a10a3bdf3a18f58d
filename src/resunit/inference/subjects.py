"""Subjects of the propagation instrument: a network and a batch for it, from a name, a run or code."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from resunit.data import Normalisation, load
from resunit.errors import FileFormatError, PropagationError, UsageError
from resunit.inference.classifier import load as load_classifier
from resunit.inference.exported import ExportedNetwork
from resunit.io.places import user_path
from resunit.models.custom import add_design
from resunit.models.design_source import is_own_design
from resunit.models.network import build
from resunit.models.registry import IMAGENET, network_spec
from resunit.models.user_code import failure, import_object
from resunit.propagation import Propagation, measure
from resunit.training.data_of_run import AnyDataset
from resunit.training.process_state import isolated_process_state, isolated_random_numbers
from resunit.training.whitening import fit_whitening

SAMPLE = "cifar10-sample"
IMAGENET_SIDE = 224
NUMPY_SEEDS = 1 << 32  # NumPy takes seeds below it
EXAMPLE = "MODULE:CALLABLE, such as mymodels:make_network"


@dataclass(frozen=True)
class Subject:
    """A network to measure, with `inputs` and `targets` as `propagation.measure` takes them."""

    name: str
    model: nn.Module
    inputs: Any
    targets: Tensor | None
    note: str
    """The origin of the inputs and of the weights, in words."""
    seed: int = 0
    """Determines the random numbers that the network draws while it is measured, such as dropout's masks."""


def find_subject(
    target: str,
    *,
    design: str | None = None,
    data: str | None = None,
    batch_size: int | None = None,
    seed: int = 0,
    options: Mapping[str, Any] | None = None,
) -> Subject:
    """Return the network that `target` names, with a batch for it.

    Args:
        target: one of `list_models()`, a run's folder, a weights file, "imagenet" for the published ResNet-50, or
            MODULE:CALLABLE. The callable takes nothing. It returns a network, (network, inputs) or
            (network, inputs, targets).
        design: the design of a named model, or MODULE:CLASS.
        data: the data set whose training images are the batch; by default a run's own, else the sample.
        batch_size: images in the batch; by default 64, or 8 of 224 pixels for a network for ImageNet.
        seed: chooses the images, the weights of a named model, and the random numbers of the measurement.
        options: the options of the design and of the network, as `create_model` takes them.

    Raises:
        UsageError: something does not exist, or does not fit.
        FileFormatError: a weights file is damaged or foreign.
        DataError: the data cannot be fetched or read.
    """
    if batch_size is not None and batch_size < 1:
        raise UsageError(f"--batch-size must be at least 1, not {batch_size}")
    if ":" in target:
        if design is not None or options:
            raise UsageError("--design and options of designs apply to a model's name, not to code")
        return _from_code(target, data, batch_size, seed)
    path = user_path(target)
    if target == IMAGENET or path.exists():
        if design is not None or options:
            raise UsageError("design and options are stored with the weights; leave them out")
        return _from_weights(target if target == IMAGENET else path, target, data, batch_size, seed)
    if path.suffix == ".safetensors" or len(path.parts) > 1:  # No model has such a name.
        raise FileFormatError(f"{path}: no such file or folder; correct the path")
    if is_own_design(design):
        add_design(design)
    return _from_name(target, design, options or {}, data, batch_size, seed)


def measure_subject(subject: Subject, also: Sequence[Any] = ()) -> Propagation:
    """Return the measurement of `subject`, which is the same each time.

    Raises:
        UsageError: the instrument refuses the network or the batch.
    """
    with isolated_random_numbers():
        _seed_all_generators(subject.seed)
        try:
            return measure(subject.model, subject.inputs, subject.targets, also=also, name=subject.name)
        except PropagationError as error:
            raise UsageError(str(error)) from error


def _seed_all_generators(seed: int) -> None:
    """Seed the generators of torch, Python and NumPy: code of users may draw from each."""
    torch.manual_seed(seed)
    random.seed(seed)
    np.random.seed(seed % NUMPY_SEEDS)  # noqa: NPY002


def draw_measurements(results: Sequence[Propagation], path: Path) -> Path:
    """Draw the measurements side by side, as `Propagation.plot` does, and return the picture's path."""
    try:
        return results[0].plot(path, *results[1:])
    except PropagationError as error:
        raise UsageError(str(error)) from error


@isolated_process_state()
def _from_name(
    target: str,
    design: str | None,
    options: Mapping[str, Any],
    data: str | None,
    batch_size: int | None,
    seed: int,
) -> Subject:
    spec = network_spec(target, design=design, **options)  # A wrong name ends here, before data are loaded.
    dataset = load(data or SAMPLE, progress=False)
    spec = replace(spec, num_classes=len(dataset.classes))
    normalisation = Normalisation.fit(dataset.train.images, "channel")
    torch.manual_seed(seed)
    model = build(spec)
    if spec.stem == "whitening":
        fit_whitening(model.stem, dataset.train, normalisation)
    side = IMAGENET_SIDE if spec.stem == "imagenet" else None
    images, labels = _batch(dataset, normalisation, batch_size or (8 if side else 64), seed, side)
    name = target if design is None else f"{target} ({design})"
    note = f"{_describe(images)} of {dataset.name}, weights of seed {seed}"
    return Subject(name, model, images, labels, note, seed)


@isolated_process_state()
def _from_weights(
    target: str | Path, name: str, data: str | None, batch_size: int | None, seed: int
) -> Subject:
    """Return the network of a run, a weights file or "imagenet", with its own data or the sample.

    Weights that do not say what they were trained on, as those of other libraries, are measured without targets if the
    images have other classes.
    """
    classifier = load_classifier(target, device="cpu")
    if isinstance(classifier.network, ExportedNetwork):
        raise UsageError(f"{name}: an exported file has no units to measure; give the run or its weights")
    knows_its_data = isinstance(classifier.file.result.get("data"), str)
    dataset = classifier.load_dataset(data) if knows_its_data else load(data or SAMPLE, progress=False)
    is_large = classifier.image_size >= IMAGENET_SIDE
    side = None if knows_its_data else classifier.image_size
    images, labels = _batch(
        dataset, classifier.normalisation, batch_size or (8 if is_large else 64), seed, side
    )
    has_labels = dataset.classes == classifier.classes
    network = classifier.network.to(memory_format=torch.contiguous_format).train()
    note = f"{_describe(images)} of {dataset.name}{'' if has_labels else ', without targets'}"
    return Subject(name, network, images, labels if has_labels else None, note)


def _from_code(target: str, data: str | None, batch_size: int | None, seed: int) -> Subject:
    # The user's code is not isolated: it may add to the import path what its forward pass imports.
    make, name = import_object(target, EXAMPLE), target.partition(":")[2]
    if not callable(make):
        raise UsageError(f"{target} is not callable")
    with isolated_random_numbers():
        _seed_all_generators(seed)
        try:
            made = make()
        except Exception as error:
            raise failure(f"{target}, which is called without arguments,", error) from error
    model, *given = made if isinstance(made, tuple) else (made,)
    if len(given) > 2 or not isinstance(model, nn.Module):
        raise UsageError(
            f"{target} must return a torch.nn.Module, or it with inputs, or with inputs and targets"
        )
    if given:
        if data is not None:
            raise UsageError(f"{target} brings its own inputs; leave --data out")
        targets = given[1] if len(given) == 2 else None
        return Subject(name, model, given[0], targets, f"inputs of {target}", seed)
    dataset = load(data or SAMPLE, progress=False)
    images, _ = _batch(dataset, Normalisation.fit(dataset.train.images, "channel"), batch_size or 64, seed)
    return Subject(name, model, images, None, f"{_describe(images)} of {dataset.name}", seed)


def _batch(
    dataset: AnyDataset, normalisation: Normalisation, count: int, seed: int, side: int | None = None
) -> tuple[Tensor, Tensor]:
    """Return `count` normalised training images (B, 3, H, W) and their labels (B,).

    `side` enlarges smaller images to that many pixels.
    """
    generator = torch.Generator().manual_seed(seed)
    chosen = torch.randperm(len(dataset.train), generator=generator)[:count]
    # The images are channels first, because then no activation is fused with the norm before it, and the
    # instrument sees both.
    images = normalisation(torch.cat(list(dataset.train.pictures(chosen)))).contiguous()
    if side is not None and images.shape[-1] < side:
        images = functional.interpolate(images, size=(side, side), mode="bilinear", align_corners=False)
    return images, dataset.train.labels[chosen]


def _describe(images: Tensor) -> str:
    return f"{len(images)} training images of {images.shape[-1]} x {images.shape[-2]}"
