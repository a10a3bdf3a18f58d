"""timm: the folder that timm.create_model("local-dir:FOLDER", pretrained=True) loads."""

import json
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import safetensors.torch

import resunit
from resunit.errors import UsageError
from resunit.interop.export.check import Agreement, check_agreement
from resunit.interop.export.subject import ExportSubject
from resunit.interop.library import Architecture
from resunit.interop.mapping import from_ours, to_ours
from resunit.interop.timm import TIMM
from resunit.io.atomic import whole_folder
from resunit.models.network import NetworkSpec, build

TARGET = "timm"
MOST_REASONS = 3  # that a message gives
WEIGHTS, CONFIGURATION = "model.safetensors", "config.json"


def write_timm(subject: ExportSubject, out: Path) -> Agreement:
    """Write a network's weights and its preprocessing of images as timm names them.

    timm itself is not needed. The written weights are checked after the way back to our names.

    Raises:
        UsageError: timm has no such network, or cannot prepare its images.
        ExportError: the written weights give other logits.
        WriteError: the operating system refused to write a file.
    """
    spec = subject.file.spec
    architecture = architecture_of(spec)
    content = safetensors.torch.save(
        from_ours(subject.file.build(), spec, TIMM, architecture), {"format": "pt"}
    )
    configuration = make_configuration(subject, architecture)
    own_spec, tensors = to_ours(safetensors.torch.load(content), TIMM, architecture)
    network = build(own_spec).eval()
    network.load_state_dict(tensors)
    agreement = check_agreement(network, subject, TARGET)
    with whole_folder(out) as folder:
        (folder / CONFIGURATION).write_text(json.dumps(configuration, indent=2, allow_nan=False) + "\n")
        (folder / WEIGHTS).write_bytes(content)
    return agreement


def architecture_of(spec: NetworkSpec) -> Architecture:
    """Return timm's architecture that is the network of `spec`.

    Raises:
        UsageError: there is none; the message says how the nearest one differs.
    """
    differing = {
        architecture.name: _differences(spec, architecture.spec)
        for architecture in TIMM.architectures.values()
    }
    nearest = min(differing, key=lambda name: len(differing[name]))
    if odd := differing[nearest]:
        other = TIMM.architectures[nearest].spec
        reasons = [f"{name} {getattr(other, name)}, not {getattr(spec, name)}" for name in odd[:MOST_REASONS]]
        more = f", and {len(odd) - MOST_REASONS} more differences" if len(odd) > MOST_REASONS else ""
        raise UsageError(
            f"timm has no such network: the nearest is {nearest}, with {'; '.join(reasons)}{more}; export it --to onnx"
        )
    return TIMM.architectures[nearest]


def _differences(spec: NetworkSpec, other: NetworkSpec) -> list[str]:
    other = replace(other, num_classes=spec.num_classes)
    return [field.name for field in fields(spec) if getattr(spec, field.name) != getattr(other, field.name)]


def make_configuration(subject: ExportSubject, architecture: Architecture) -> dict[str, Any]:
    """Return timm's config.json of a network.

    Raises:
        UsageError: the network's images are normalised by a mean image, which timm has not.
    """
    file, preprocessing = subject.file, subject.preprocessing
    normalisation = preprocessing.normalisation
    if normalisation.kind != "channel":
        raise UsageError(
            f"{file.path}: its images are normalised by a mean image, and timm has one mean for each colour; train "
            "with --normalisation channel"
        )
    side, classes = preprocessing.image_size, len(file.classes)
    return {
        "architecture": architecture.name,
        "num_classes": classes,
        "num_features": file.spec.widths[-1],
        "label_names": list(file.classes),
        "pretrained_cfg": {
            "tag": "resunit",
            "custom_load": False,
            "input_size": [3, side, side],
            "fixed_input_size": False,
            "interpolation": "bilinear",
            "crop_pct": side / preprocessing.shorter_side,
            "crop_mode": "center",
            "mean": normalisation.mean.flatten().tolist(),
            "std": normalisation.std.flatten().tolist(),
            "num_classes": classes,
            "first_conv": architecture.layers.stem_convs[0],
            "classifier": architecture.layers.classifier,
            "origin_url": f"resunit {resunit.__version__}",
        },
    }
