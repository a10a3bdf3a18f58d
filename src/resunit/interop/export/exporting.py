"""The export of a trained network to a file or a folder that other tools read."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, TypeAlias

import torch

from resunit.data.examples import Examples, example_images
from resunit.errors import UsageError, unknown
from resunit.inference.classifier import Classifier, load
from resunit.inference.exported import InputLayout, outer_normalisation, to_input
from resunit.interop.export.check import Agreement
from resunit.interop.export.hub import write_hub
from resunit.interop.export.int8 import Int8, write_onnx_int8, write_openvino_int8
from resunit.interop.export.onnx import write_onnx
from resunit.interop.export.openvino import write_openvino
from resunit.interop.export.subject import ExportSubject, with_layout
from resunit.interop.export.timm import write_timm
from resunit.interop.export.torch_export import write_torch_export
from resunit.io.places import user_path
from resunit.models.weights import WeightsFile
from resunit.training.preprocessing import Preprocessing
from resunit.training.process_state import isolated_process_state

CHECKED_IMAGES = 64
COLOURS = 3

LAYOUTS: Mapping[str | None, InputLayout] = {None: "float32 NCHW", "nchw": "uint8 NCHW", "nhwc": "uint8 NHWC"}
WriteInt8: TypeAlias = Callable[[ExportSubject, Classifier, str | None, Path], tuple[Agreement, Int8]]


@dataclass(frozen=True)
class Target:
    """A kind of file that a network is exported to."""

    write: Callable[[ExportSubject, Path], Agreement]
    suffix: str | None = None
    """The ending of its file; None for a folder."""
    takes_preprocessing: bool = True
    """Whether the normalisation can be part of the network."""
    write_int8: WriteInt8 | None = None


TARGETS: Mapping[str, Target] = {
    "onnx": Target(write_onnx, ".onnx", write_int8=write_onnx_int8),
    "openvino": Target(write_openvino, write_int8=write_openvino_int8),
    "torch-export": Target(write_torch_export, ".pt2"),
    "timm": Target(write_timm, takes_preprocessing=False),
    "hub": Target(write_hub, takes_preprocessing=False),
}


@dataclass(frozen=True)
class Exported:
    """What an export wrote."""

    FORMAT: ClassVar[int] = 1

    path: str
    source: str
    """The weights file."""
    target: str
    input: InputLayout
    """What the exported network takes."""
    image_size: int
    """The side in pixels of the images; their number is free."""
    bytes: int
    """The size of the file, or of the files in the folder."""
    agreement: Agreement
    int8: Int8 | None = None
    format: int = FORMAT


@isolated_process_state()
def export(
    source: str | Path,
    out: str | Path,
    *,
    to: str,
    with_preprocessing: str | None = None,
    int8: bool = False,
    data: str | None = None,
) -> Exported:
    """Write a trained network for other tools, whole or not at all, and only if it computes the same.

    The exported network is compared with the network itself on real images: those of its data set if that is on
    this machine, else of the sample that ships with resunit.

    Args:
        source: a run's folder or a weights file.
        out: a file for "onnx" (.onnx) and "torch-export" (.pt2), a folder for the others; it must not exist.
        to: a key of `TARGETS`.
        with_preprocessing: the exported network takes bytes, (N, 3, H, W) for "nchw" or (N, H, W, 3) for "nhwc", and
            normalises them itself; by default it takes normalised float32 images (N, 3, H, W).
        int8: whether weights and activations become 8-bit integers, calibrated on training images.
        data: the data set; by default the one that the network was trained on.

    Raises:
        UsageError: an argument does not fit the target, `out` is no place to write, or a library is not installed.
        FileFormatError: the source is missing, damaged or foreign, or the data set has other classes.
        DataError: the data cannot be read.
        ExportError: the exported network computes other numbers; nothing was written.
        WriteError: the operating system refused to write.
    """
    if to not in TARGETS:
        raise unknown("target", to, TARGETS)
    target, out = TARGETS[to], user_path(out)
    if with_preprocessing not in LAYOUTS:
        raise unknown("layout", str(with_preprocessing), [key for key in LAYOUTS if key])
    if with_preprocessing and not target.takes_preprocessing:
        raise UsageError(
            f"--with-preprocessing does not apply to {to}, whose files describe the preprocessing"
        )
    if int8 and target.write_int8 is None:
        able = [name for name, other in TARGETS.items() if other.write_int8]
        raise UsageError(f"--int8 does not apply to {to}; take {' or '.join(able)}")
    check_place(out, target.suffix)
    classifier = load(source, device="cpu")
    subject = make_subject(classifier, LAYOUTS[with_preprocessing], data)
    if int8 and target.write_int8 is not None:
        agreement, errors = target.write_int8(subject, classifier, data, out)
    else:
        agreement, errors = target.write(subject, out), None
    files = [out] if target.suffix else list(out.iterdir())
    return Exported(
        str(out),
        str(subject.file.path),
        to,
        subject.layout,
        subject.preprocessing.image_size,
        sum(file.stat().st_size for file in files),
        agreement,
        errors,
    )


def check_place(out: Path, suffix: str | None) -> None:
    """Refuse a path that is taken, or where nothing can be written. Raises UsageError."""
    if suffix is not None and out.suffix != suffix:
        raise UsageError(f"{out}: this target's file ends in {suffix}")
    if not out.parent.is_dir():
        raise UsageError(f"{out.parent}: no such folder")
    if out.exists() and (suffix is not None or not out.is_dir() or any(out.iterdir())):
        raise UsageError(
            f"{out}: is there already; name another {'file' if suffix else 'folder'}, or remove it"
        )


def make_subject(classifier: Classifier, layout: InputLayout, data: str | None) -> ExportSubject:
    """Return a trained network as the subject of an export, with the logits that an export has to give.

    Args:
        classifier: the network as it was loaded.
        layout: what the exported network takes.
        data: the data set of the images; by default the network's own.

    Raises:
        UsageError: the classifier is of an exported file, or takes other images than RGB.
    """
    file = classifier.file
    if not isinstance(file, WeightsFile):
        raise UsageError(f"{file.path}: is an exported file; give the run or its weights")
    if file.spec.in_channels != COLOURS:
        raise UsageError(
            f"{file.path}: takes {file.spec.in_channels} channels; export takes networks for RGB images"
        )
    preprocessing = Preprocessing(classifier.normalisation, classifier.image_size, classifier.shorter_side)
    found = find_examples(classifier, data)
    normalised = outer_normalisation(preprocessing.normalisation, layout)(found.images)
    examples = torch.from_numpy(to_input(normalised, layout))
    # The copy that `classifier` computes with is packed for this processor, which no exporter understands.
    network = with_layout(file.build().eval(), preprocessing.normalisation, layout)
    with torch.no_grad():
        expected = torch.cat([network(part) for part in examples.split(16)])
    return ExportSubject(file, network, layout, preprocessing, examples, expected, found.origin)


def find_examples(classifier: Classifier, data: str | None) -> Examples:
    """Return real images for a network: some of `data`, else of its own data set if that is here, else of the sample.

    Raises:
        DataError, UsageError, FileFormatError: `data` was given, and cannot be read or has other classes.
    """
    if data is None:
        own = classifier.file.result.get("data")
        name = own if isinstance(own, str) else None
        return example_images(name, CHECKED_IMAGES, classifier.image_size, classifier.shorter_side)
    judged = classifier.load_judged(data)
    count = min(CHECKED_IMAGES, len(judged.images))
    chosen = torch.arange(count) * len(judged.images) // count
    return Examples(torch.cat(list(judged.images.pictures(chosen))), judged.name)
