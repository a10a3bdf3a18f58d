"""timm's ResNet and ResNetV2.

Source: timm/models/resnet.py and timm/models/resnetv2.py, 1.0. Letters behind a depth: c has a deep stem, d averages
before it projects as well, s has a wider deep stem, t a tiered one and averages. ResNetV2 activates before the split
into two paths where it projects, and its classifier is a 1x1 convolution.
"""

from dataclasses import replace

from resunit.interop import torchvision
from resunit.interop.library import (
    Architecture,
    LayerNames,
    Library,
    LibraryConventions,
    Refusal,
    index_by_name,
)
from resunit.models.network import NetworkSpec
from resunit.models.registry import IMAGENET_BASIC, IMAGENET_BOTTLENECK

V1 = torchvision.LAYERS
V1_DEEP = replace(
    V1,
    stem_convs=("conv1.0", "conv1.3", "conv1.6"),
    stem_norms=("conv1.1", "conv1.4", "bn1"),
)
V1_AVERAGED = {  # In a downsample, the pool comes first.
    "shortcut_conv": "layer{stage1}.{unit0}.downsample.1",
    "shortcut_norm": "layer{stage1}.{unit0}.downsample.2",
}
V2 = LayerNames(
    stem_convs=("stem.conv",),
    stem_norms=(),
    conv="stages.{stage0}.blocks.{unit0}.conv{n1}",
    norm="stages.{stage0}.blocks.{unit0}.norm{n1}",
    shortcut_conv="stages.{stage0}.blocks.{unit0}.downsample.conv",
    final_norm="norm",
    classifier="head.fc",
)
V2_DEEP = replace(
    V2,
    stem_convs=("stem.conv1", "stem.conv2", "stem.conv3"),
    stem_norms=("stem.norm1", "stem.norm2"),
)
V2_CONVENTIONS = LibraryConventions(classifier="1x1")

DEPTHS = {
    10: (1, 1, 1, 1),
    14: (1, 1, 1, 1),
    18: (2, 2, 2, 2),
    26: (2, 2, 2, 2),
    34: (3, 4, 6, 3),
    50: (3, 4, 6, 3),
    101: (3, 4, 23, 3),
    152: (3, 8, 36, 3),
    200: (3, 24, 36, 3),
}
BASIC = (10, 18, 34)
# For each letter, the channels of the stem's convolutions and the shortcut option where the size changes.
VARIANTS = {
    "": ((64,), "B"),
    "c": ((32, 32, 64), "B"),
    "d": ((32, 32, 64), "D"),
    "s": ((64, 64, 128), "B"),
    "t": ((24, 32, 64), "D"),
}
V1_NAMES = {
    "": (18, 26, 34, 50, 101, 152, 200),
    "c": (50, 101, 152),
    "d": (18, 26, 34, 50, 101, 152, 200),
    "s": (50, 101, 152),
    "t": (10, 14, 26, 50),
}
V2_NAMES = {"": (18, 34, 50, 101, 152), "d": (18, 34, 50, 101, 152), "t": (50,)}


def spec_of(depth: int, letter: str) -> NetworkSpec:
    """Return the spec of timm's resnet of `depth` layers with the variant's `letter`."""
    stem, option = VARIANTS[letter]
    spec = IMAGENET_BASIC if depth in BASIC else IMAGENET_BOTTLENECK
    return replace(
        spec, depths=DEPTHS[depth], stem_channels=stem[-1], deep_stem=stem[:-1], shortcut_option=option
    )


def v1(depth: int, letter: str) -> Architecture:
    """Return timm's ResNet of `depth` layers."""
    names = V1 if letter == "" else V1_DEEP
    spec = spec_of(depth, letter)
    if spec.shortcut_option == "D":
        names = replace(names, **V1_AVERAGED)
    return Architecture(f"resnet{depth}{letter}", spec, names)


def v2(depth: int, letter: str) -> Architecture:
    """Return timm's ResNetV2 of `depth` layers with batch norm."""
    spec = replace(spec_of(depth, letter), design="full-preactivation", shared_preactivation="projection")
    return Architecture(f"resnetv2_{depth}{letter}", spec, V2_DEEP if letter else V2, V2_CONVENTIONS)


WIDE = [torchvision.TORCHVISION.architectures[name] for name in ("wide_resnet50_2", "wide_resnet101_2")]
TIMM = Library(
    "timm",
    index_by_name(
        *(v1(depth, letter) for letter, depths in V1_NAMES.items() for depth in depths),
        *(v2(depth, letter) for letter, depths in V2_NAMES.items() for depth in depths),
        *WIDE,
    ),
    refusals=(
        Refusal("bit", "it standardises weights, has group norm and pads zeros before its pool"),
        Refusal("gn|evo|frn", "its norms are no batch norms"),
        Refusal("resnext|resnest|res2net", "its convolutions have groups, which resunit has not"),
        Refusal("^(eca|se|ecaresnet|seresnet|skresnet|gcresnet)|attn|resnetrs", "its units have attention"),
        Refusal("blur|aa", "it blurs before it subsamples"),
    ),
)
