"""Every network of the paper by name, and `create_model`, which builds any of them in any design."""

import fnmatch
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from resunit.errors import FileFormatError, UsageError, unknown
from resunit.io.fields import check_fields
from resunit.io.places import IMAGENET_WEIGHTS, imagenet_weights, user_path
from resunit.models.designs import DESIGNS, unknown_design
from resunit.models.network import NetworkSpec, ResidualNetwork, build
from resunit.models.options import CONVENTIONS, check_option
from resunit.models.weights import WeightsFile, read_weights
from resunit.runs.folder import RunFolder, resume_command

IMAGENET = "imagenet"
"""The value of `weights` that stands for the published weights."""
NETWORK_OF_IMAGENET = "resnet50"
"""The one network that has published weights."""
HUB_WEIGHTS = "model.safetensors"
"""The weights file in a folder for the Hugging Face hub, as `resunit export --to hub` writes it."""
RECORDS = (".json", ".jsonl", ".html")  # The endings of the files of a run that are no weights.

BASIC = NetworkSpec(  # depth 6n + 2
    stem="cifar",
    branch="basic",
    depths=(),
    widths=(16, 32, 64),
    strides=(1, 2, 2),
    stem_channels=16,
    num_classes=10,
    shortcut_option="A",
)
ONE_LAYER = replace(BASIC, branch="one-layer")  # depth 3n + 2
BOTTLENECK = replace(  # depth 9n + 2
    BASIC, branch="bottleneck", widths=(64, 128, 256), stride_on="1x1", shortcut_option="B"
)
IMAGENET_BASIC = NetworkSpec(
    stem="imagenet",
    branch="basic",
    depths=(),
    widths=(64, 128, 256, 512),
    strides=(1, 2, 2, 2),
    stem_channels=64,
    num_classes=1000,
)
IMAGENET_BOTTLENECK = replace(IMAGENET_BASIC, branch="bottleneck", widths=(256, 512, 1024, 2048))

# The paper does not have these two: they are shallow and wide, for `quick` and `fast94` (docs/lab-notes.md).
QUICK = NetworkSpec(
    stem="whitening",
    branch="basic",
    depths=(1, 1, 2),
    widths=(48, 96, 192),
    strides=(2, 2, 2),
    stem_channels=24,
    num_classes=10,
    shortcut_option="D",
    nonlinearity="gelu",
)
FAST94 = replace(QUICK, depths=(1, 2, 2), widths=(64, 128, 256))

ORIGINAL_NETWORKS: dict[str, NetworkSpec] = {
    "resnet20": replace(BASIC, depths=(3, 3, 3)),
    "resnet32": replace(BASIC, depths=(5, 5, 5)),
    "resnet44": replace(BASIC, depths=(7, 7, 7)),
    "resnet56": replace(BASIC, depths=(9, 9, 9)),
    "resnet110": replace(BASIC, depths=(18, 18, 18)),
    "resnet110-1layer": replace(ONE_LAYER, depths=(36, 36, 36)),
    "resnet164": replace(BOTTLENECK, depths=(18, 18, 18)),
    "resnet1001": replace(BOTTLENECK, depths=(111, 111, 111)),
    # The paper does not have this network; it shows which depth activation checkpointing allows.
    "resnet10001": replace(BOTTLENECK, depths=(1111, 1111, 1111)),
    "resnet1202": replace(BASIC, depths=(200, 200, 200)),
    "resnet18": replace(IMAGENET_BASIC, depths=(2, 2, 2, 2)),
    "resnet34": replace(IMAGENET_BASIC, depths=(3, 4, 6, 3)),
    "resnet50": replace(IMAGENET_BOTTLENECK, depths=(3, 4, 6, 3)),
    "resnet101": replace(IMAGENET_BOTTLENECK, depths=(3, 4, 23, 3)),
    "resnet152": replace(IMAGENET_BOTTLENECK, depths=(3, 8, 36, 3)),
    "resnet200": replace(IMAGENET_BOTTLENECK, depths=(3, 24, 36, 3)),
    "resnet10-quick": QUICK,
    "resnet12-fast94": FAST94,
}

NETWORKS: dict[str, NetworkSpec] = ORIGINAL_NETWORKS | {
    f"pre{name}": replace(spec, design="full-preactivation") for name, spec in ORIGINAL_NETWORKS.items()
}


def list_models(pattern: str = "*") -> list[str]:
    """Return the names that `create_model` knows and that match a shell `pattern`, such as "preresnet*"."""
    return [name for name in NETWORKS if fnmatch.fnmatch(name, pattern)]


def find_name(spec: NetworkSpec) -> str | None:
    """Return the name of a network by its spec, or None if it is none of `list_models()`.

    The number of classes, the input channels, the stem and the conventions may be any.
    """
    free = {name: getattr(spec, name) for name in ("num_classes", "in_channels", "stem", *CONVENTIONS)}
    return next((name for name, named in NETWORKS.items() if replace(named, **free) == spec), None)


def network_spec(
    name: str,
    *,
    num_classes: int | None = None,
    in_channels: int = 3,
    design: str | None = None,
    **options: Any,
) -> NetworkSpec:
    """Return the spec of the network `name` in any design; the arguments are those of `create_model`.

    Raises:
        UsageError: a name, design, option or value does not exist or does not apply.
    """
    if name not in NETWORKS:
        raise unknown("model", name, NETWORKS)
    spec = replace(NETWORKS[name], in_channels=in_channels)
    if spec.stem == "whitening":
        # There are two filters for each direction of a patch of 2x2 pixels.
        spec = replace(spec, stem_channels=2 * 2 * 2 * in_channels)
    if num_classes is not None:
        spec = replace(spec, num_classes=num_classes)
    check_fields(spec)
    if design is not None:
        if design not in DESIGNS:
            raise unknown_design(design)
        spec = replace(spec, design=design)
    conventions = {key: options.pop(key) for key in list(options) if key in CONVENTIONS}
    return replace(with_conventions(spec, conventions), design_options=check_options(spec.design, options))


def with_conventions(spec: NetworkSpec, conventions: dict[str, object]) -> NetworkSpec:
    """Return `spec` with its conventions changed.

    Raises:
        UsageError: a value does not exist, or it would change nothing in this network.
    """
    for key, value in conventions.items():
        check_option(key, value)
    if "stride_on" in conventions and spec.branch != "bottleneck":
        raise UsageError(f"stride_on applies to bottleneck branches; this network has {spec.branch} branches")
    if "shared_preactivation" in conventions and not spec.placement.before_first_conv:
        raise UsageError(f"shared_preactivation applies to pre-activation designs, not to {spec.design!r}")
    if "shortcut_option" in conventions and spec.design == "conv-shortcut":
        raise UsageError(
            "shortcut_option does not apply to conv-shortcut: its 1x1 shortcut makes the size change itself"
        )
    return replace(spec, **conventions)  # pyright: ignore[reportArgumentType]


def check_options(design: str, options: dict[str, Any]) -> dict[str, Any]:
    """Return all options of `design`; options that are not given are at their defaults.

    Raises:
        UsageError: an option is unknown, ill-typed or out of its range.
    """
    known = DESIGNS[design].options
    for key in options:
        if key not in known:
            raise _unknown_option(design, key)
    return known | {key: check_option(key, value, type(known[key])) for key, value in options.items()}


def _unknown_option(design: str, option: str) -> UsageError:
    """Return the error for an option that a design does not have; it names the designs that do."""
    having = [name for name, other in DESIGNS.items() if option in other.options]
    if not having:
        known = [*DESIGNS[design].options, *CONVENTIONS, "num_classes", "in_channels", "weights"]
        return unknown(f"option of design {design!r}:", option, known)
    return UsageError(
        f"unknown option of design {design!r}: {option!r}; it is one of the design {' or '.join(having)}"
    )


def create_model(
    name: str | None = None,
    *,
    num_classes: int | None = None,
    in_channels: int | None = None,
    design: str | None = None,
    weights: str | Path | None = None,
    **options: Any,
) -> ResidualNetwork:
    """Return a network of the paper: (N, in_channels, H, W) images -> (N, num_classes) logits.

    Args:
        name: one of `list_models()`; None with `weights` takes the network stored there.
        num_classes: 10 for CIFAR networks and 1000 for ImageNet networks unless given.
        in_channels: 3 unless given.
        design: a row of Tables 1 and 2 such as "shortcut-only-gating", or a later one such as "rezero"; by
            default "original", or "full-preactivation" for the names that start with "pre".
        weights: a run's folder or its weights.safetensors, a file that `resunit convert` wrote, or a folder that
            `resunit export --to hub` wrote; nothing but tensors and JSON is read from it. "imagenet" is the
            published ResNet-50, which `resunit data fetch imagenet-resnet50` stores; its stride is on the first
            convolution of a bottleneck, and its images are RGB. Another num_classes than the stored one gives a
            fresh classifier from torch's generator, and 0 the features (N, num_features). Another in_channels
            adapts the first convolution: its filters are added up for 1 channel; for another number they are
            repeated or left out, and scaled.
        options: those of the design (shortcut_scale, branch_scale, gate_bias, drop_probability,
            inverted_dropout, initial_scale, final_survival) and the conventions shared_preactivation,
            stride_on and shortcut_option.

    Raises:
        UsageError: a name, design or option is unknown or does not apply.
        FileFormatError: the weights file is missing, foreign, damaged, or of another network.
    """
    if weights is None:
        if name is None:
            raise UsageError("create_model needs a name or weights; list_models() has the names")
        channels = 3 if in_channels is None else in_channels
        return build(
            network_spec(name, num_classes=num_classes, in_channels=channels, design=design, **options)
        )
    if weights == IMAGENET and name in (None, NETWORK_OF_IMAGENET):
        name = None
    file = read_weights(stored_weights(weights, name))
    if name is not None:
        check_network(file, name, design, options)
    elif design is not None or options:
        raise UsageError("design and options are stored with the weights; leave them out")
    return file.build(num_classes=num_classes, in_channels=in_channels)


def check_network(
    file: WeightsFile, name: str, design: str | None = None, options: Mapping[str, Any] | None = None
) -> None:
    """Check that a weights file holds the network `name` in a design, apart from its classes and its images.

    Raises:
        UsageError: a name, design or option is unknown or does not apply.
        FileFormatError: the file holds another network.
    """
    # The data decide about the classes and the channels, and the size of the images about the stem.
    spec = network_spec(name, design=design, in_channels=file.spec.in_channels, **(options or {}))
    asked = vars(replace(spec, num_classes=file.spec.num_classes, stem=file.spec.stem))
    for key, value in asked.items():
        stored = getattr(file.spec, key)
        if value != stored:
            raise FileFormatError(
                f"{file.path}: its network has {key} {stored}, not {value}; leave the name, the design and the options "
                "of the network out, because the file knows them"
            )


def stored_weights(weights: str | Path, name: str | None = None) -> Path:
    """Return the weights file that `weights` names: a file, a run's folder, a folder for the hub, or "imagenet".

    `name` is the network that the weights should be of, if one was named.

    Raises:
        UsageError: there are no published weights of the network `name`.
        FileFormatError: the published weights were not fetched, or the run has no weights.
    """
    if str(weights) == IMAGENET:
        return _published_weights(name)
    path = user_path(weights)
    if path.is_file() and path.suffix in RECORDS:
        raise FileFormatError(f"{path}: holds no weights; name the folder of the run, such as {path.parent}")
    if not path.is_dir():
        return path
    if (of_hub := path / HUB_WEIGHTS).exists():
        return of_hub
    if not (found := RunFolder(path).weights).exists():
        remedy = "name a finished run or a weights file"
        if RunFolder(path).recipe.exists():
            remedy = f"finish the run with `{resume_command(path)}`"
        raise FileFormatError(f"{path}: has no {found.name}; {remedy}")
    return found


def _published_weights(name: str | None) -> Path:
    """Return the path of the published weights of the network `name`.

    Raises:
        UsageError: there are none.
        FileFormatError: they were not fetched.
    """
    if name not in (None, NETWORK_OF_IMAGENET):
        raise UsageError(f"weights={IMAGENET!r} are those of {NETWORK_OF_IMAGENET}, not of {name}")
    path = imagenet_weights()
    if not path.exists():
        raise FileFormatError(f"{path}: no such file; `resunit data fetch {IMAGENET_WEIGHTS}` stores it")
    return path
