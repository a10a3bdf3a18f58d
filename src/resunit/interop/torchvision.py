"""torchvision's ResNet: its names are fb.resnet.torch's successors', and its conventions are ours.

Source: torchvision/models/resnet.py, 0.29. The stride of a bottleneck is on the 3x3 convolution ("v1.5").
"""

from dataclasses import replace

from resunit.interop.library import Architecture, LayerNames, Library, Refusal, index_by_name
from resunit.models.network import NetworkSpec
from resunit.models.registry import IMAGENET_BASIC, IMAGENET_BOTTLENECK

LAYERS = LayerNames(
    stem_convs=("conv1",),
    stem_norms=("bn1",),
    conv="layer{stage1}.{unit0}.conv{n1}",
    norm="layer{stage1}.{unit0}.bn{n1}",
    shortcut_conv="layer{stage1}.{unit0}.downsample.0",
    shortcut_norm="layer{stage1}.{unit0}.downsample.1",
    classifier="fc",
)
WIDE = replace(IMAGENET_BOTTLENECK, bottleneck_ratio=0.5)
SPECS: dict[str, NetworkSpec] = {
    "resnet18": replace(IMAGENET_BASIC, depths=(2, 2, 2, 2)),
    "resnet34": replace(IMAGENET_BASIC, depths=(3, 4, 6, 3)),
    "resnet50": replace(IMAGENET_BOTTLENECK, depths=(3, 4, 6, 3)),
    "resnet101": replace(IMAGENET_BOTTLENECK, depths=(3, 4, 23, 3)),
    "resnet152": replace(IMAGENET_BOTTLENECK, depths=(3, 8, 36, 3)),
    "wide_resnet50_2": replace(WIDE, depths=(3, 4, 6, 3)),
    "wide_resnet101_2": replace(WIDE, depths=(3, 4, 23, 3)),
}
TORCHVISION = Library(
    "torchvision",
    index_by_name(*(Architecture(name, spec, LAYERS) for name, spec in SPECS.items())),
    refusals=(Refusal("resnext", "its convolutions have groups, which resunit has not"),),
)
