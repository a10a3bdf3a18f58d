"""transformers' ResNetForImageClassification, and ResNetModel, which has no classifier.

Source: transformers/models/resnet/modeling_resnet.py, 5.23. The configuration's field downsample_in_bottleneck puts the
stride of a bottleneck on its first convolution; the published networks leave it false. The tensors do not show
which it is, so the architectures with the stride there have a name of their own, and a network of any sizes is
named by its config.json.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from torch import Tensor

from resunit.errors import FileFormatError, UsageError
from resunit.interop.library import Architecture, LayerNames, Library, Refusal, index_by_name
from resunit.io.fields import check_fields, from_json
from resunit.io.json_text import parse_json
from resunit.models.registry import IMAGENET_BASIC, IMAGENET_BOTTLENECK

BACKBONE = "resnet."
UNIT = "resnet.encoder.stages.{stage0}.layers.{unit0}"
LAYERS = LayerNames(
    stem_convs=("resnet.embedder.embedder.convolution",),
    stem_norms=("resnet.embedder.embedder.normalization",),
    conv=UNIT + ".layer.{n0}.convolution",
    norm=UNIT + ".layer.{n0}.normalization",
    shortcut_conv=UNIT + ".shortcut.convolution",
    shortcut_norm=UNIT + ".shortcut.normalization",
    classifier="classifier.1",
)
FIRST = "-downsample-in-bottleneck"
STRIDE_ON_3X3 = {
    "resnet-18": replace(IMAGENET_BASIC, depths=(2, 2, 2, 2)),
    "resnet-26": replace(IMAGENET_BOTTLENECK, depths=(2, 2, 2, 2)),
    "resnet-34": replace(IMAGENET_BASIC, depths=(3, 4, 6, 3)),
    "resnet-50": replace(IMAGENET_BOTTLENECK, depths=(3, 4, 6, 3)),
    "resnet-101": replace(IMAGENET_BOTTLENECK, depths=(3, 4, 23, 3)),
    "resnet-152": replace(IMAGENET_BOTTLENECK, depths=(3, 8, 36, 3)),
}
STRIDE_ON_1X1 = {
    name + FIRST: replace(spec, stride_on="1x1")
    for name, spec in STRIDE_ON_3X3.items()
    if spec.branch == "bottleneck"
}


@dataclass(frozen=True)
class Configuration:
    """The fields of a ResNetConfig that determine the network, with transformers' defaults."""

    depths: tuple[int, ...] = (3, 4, 6, 3)
    hidden_sizes: tuple[int, ...] = (256, 512, 1024, 2048)
    embedding_size: int = 64
    layer_type: str = "bottleneck"
    hidden_act: str = "relu"
    downsample_in_first_stage: bool = False
    downsample_in_bottleneck: bool = False


def from_config(path: Path) -> Architecture:
    """Return the architecture that a config.json of transformers describes.

    Raises:
        FileFormatError: the file is missing or damaged, or describes another kind of network.
        UsageError: resunit cannot express the network; the message says why.
    """
    try:
        record = parse_json(path.read_bytes())
        if record["model_type"] != "resnet":
            raise FileFormatError(f"{path}: describes a {record['model_type']}, not a resnet")
        known = {name: record[name] for name in Configuration.__dataclass_fields__ if name in record}
        config = from_json(Configuration, known)
    except OSError as error:
        raise FileFormatError(f"{path}: cannot be read ({error.strerror})") from error
    except (KeyError, RecursionError, TypeError, ValueError) as error:
        raise FileFormatError(f"{path}: no configuration of a resnet ({error})") from error
    if config.hidden_act != "relu":
        raise UsageError(f"{path}: cannot be expressed: its activation is {config.hidden_act}, not relu")
    if config.layer_type not in ("basic", "bottleneck") or len(config.depths) != len(config.hidden_sizes):
        raise FileFormatError(f"{path}: its layer_type, depths and hidden_sizes describe no network")
    spec = replace(
        IMAGENET_BASIC if config.layer_type == "basic" else IMAGENET_BOTTLENECK,
        depths=config.depths,
        widths=config.hidden_sizes,
        strides=(2 if config.downsample_in_first_stage else 1, *[2] * (len(config.depths) - 1)),
        stem_channels=config.embedding_size,
        stride_on="1x1" if config.downsample_in_bottleneck and config.layer_type == "bottleneck" else "3x3",
    )
    check_fields(spec)
    return Architecture(str(path), spec, LAYERS)


def rename(tensors: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """Return the tensors of a ResNetModel under the names that they have in a ResNetForImageClassification."""
    if any(name.startswith(BACKBONE) for name in tensors):
        return tensors
    return {BACKBONE + name: tensor for name, tensor in tensors.items()}


TRANSFORMERS = Library(
    "transformers",
    index_by_name(
        *(Architecture(name, spec, LAYERS) for name, spec in (STRIDE_ON_3X3 | STRIDE_ON_1X1).items())
    ),
    rename=rename,
    from_config=from_config,
    refusals=(
        Refusal("regnet", "its convolutions have groups, which resunit has not"),
        Refusal("bit", "it standardises weights and has group norm"),
    ),
)
