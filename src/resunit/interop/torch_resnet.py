"""torch-resnet's ResNet and PreActResNet, for CIFAR and for ImageNet, with shortcut options A, B and C.

Source: torch_resnet/resnet.py, preact_resnet.py and shortcut.py, 0.0.4. An architecture is a class; the arguments that
it was built with (shortcut, width, small_images) are read from the tensors. Dropout within a branch does nothing
in evaluation, and resunit has none.
"""

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor

from resunit.interop.library import (
    FOR_CIFAR,
    FOR_IMAGENET,
    Architecture,
    LayerNames,
    Library,
    Refusal,
    index_by_name,
)
from resunit.models.network import NetworkSpec
from resunit.models.registry import BASIC, BOTTLENECK, IMAGENET_BASIC, IMAGENET_BOTTLENECK
from resunit.models.residual_unit import QUARTER

UNIT = "layers.{stage0}.{unit0}"
RESNET = LayerNames(
    stem_convs=("init_layer.0",),
    stem_norms=("init_layer.1",),
    conv=UNIT + ".conv{n1}",
    norm=UNIT + ".bn{n1}",
    shortcut_conv=UNIT + ".shortcut.0.conv",
    shortcut_norm=UNIT + ".shortcut.1",
    classifier="head",
)
PREACT = replace(
    RESNET, stem_norms=(), shortcut_conv=UNIT + ".shortcut.conv", shortcut_norm="", final_norm="norm"
)
PREACT_SMALL = replace(PREACT, stem_convs=("init_layer",))

CIFAR_BASIC = replace(BASIC, shortcut_option="B")
CIFAR_BOTTLENECK = replace(BOTTLENECK, stride_on="3x3")
SPECS: dict[str, NetworkSpec] = {
    "ResNet18": replace(IMAGENET_BASIC, depths=(2, 2, 2, 2)),
    "ResNet34": replace(IMAGENET_BASIC, depths=(3, 4, 6, 3)),
    "ResNet50": replace(IMAGENET_BOTTLENECK, depths=(3, 4, 6, 3)),
    "ResNet101": replace(IMAGENET_BOTTLENECK, depths=(3, 4, 23, 3)),
    "ResNet152": replace(IMAGENET_BOTTLENECK, depths=(3, 8, 36, 3)),
    "ResNet200": replace(IMAGENET_BOTTLENECK, depths=(3, 24, 36, 3)),
    "ResNet20": replace(CIFAR_BASIC, depths=(3, 3, 3)),
    "ResNet32": replace(CIFAR_BASIC, depths=(5, 5, 5)),
    "ResNet44": replace(CIFAR_BASIC, depths=(7, 7, 7)),
    "ResNet56": replace(CIFAR_BASIC, depths=(9, 9, 9)),
    "ResNet110": replace(CIFAR_BASIC, depths=(18, 18, 18)),
    "ResNet1202": replace(CIFAR_BASIC, depths=(200, 200, 200)),
    "ResNet164": replace(CIFAR_BOTTLENECK, depths=(18, 18, 18)),
    "ResNet1001": replace(CIFAR_BOTTLENECK, depths=(111, 111, 111)),
    "WideResNet16": replace(CIFAR_BASIC, depths=(2, 2, 2)),
    "WideResNet28": replace(CIFAR_BASIC, depths=(4, 4, 4)),
    "WideResNet40": replace(CIFAR_BASIC, depths=(6, 6, 6)),
}


def preactivate(spec: NetworkSpec) -> NetworkSpec:
    """Return the spec of the PreActResNet of the same size."""
    return replace(spec, design="full-preactivation", shared_preactivation="projection")


def fit(architecture: Architecture, tensors: Mapping[str, Tensor]) -> Architecture:
    """Return the architecture with the shortcut option, the width and the stem that the tensors show."""
    spec = architecture.spec
    stems = ("init_layer.weight", "init_layer.0.weight")
    kernel = next((tensors[name].shape[-1:] for name in stems if name in tensors), ())
    projections = {name.partition(".shortcut.")[0] for name in tensors if ".shortcut." in name}
    option = "A" if not projections else "C" if len(projections) == sum(spec.depths) else "B"
    first = tensors.get("layers.0.0.conv1.weight", torch.empty(0))
    inner, width = len(first) if first.ndim else 0, spec.widths[0]
    found = replace(spec, shortcut_option=option, stem="cifar" if kernel == (3,) else "imagenet")
    if spec.branch == "bottleneck":
        found = replace(found, bottleneck_ratio=inner / width or QUARTER)
    else:
        times = max(inner // width, 1)
        found = replace(found, widths=tuple(times * width for width in spec.widths))
    return adapt_to_spec(architecture, found)


def adapt_to_spec(architecture: Architecture, spec: NetworkSpec) -> Architecture:
    """Return the architecture with the stem, the shortcut option, the widths and the ratio of `spec`."""
    layers, is_small = architecture.layers, spec.stem == "cifar"
    if architecture.spec.design == "full-preactivation":
        layers = PREACT_SMALL if is_small else PREACT
    chosen = replace(
        architecture.spec,
        stem=spec.stem,
        shortcut_option=spec.shortcut_option,
        widths=spec.widths,
        bottleneck_ratio=spec.bottleneck_ratio,
    )
    preprocessing = FOR_CIFAR if is_small else FOR_IMAGENET
    return replace(architecture, spec=chosen, layers=layers, preprocessing=preprocessing)


TORCH_RESNET = Library(
    "torch-resnet",
    index_by_name(
        *(Architecture(name, spec, RESNET) for name, spec in SPECS.items()),
        *(Architecture(f"PreAct{name}", preactivate(spec), PREACT) for name, spec in SPECS.items()),
    ),
    refusals=(Refusal("convolutionshortcut", "its shortcuts are 3x3 convolutions"),),
    fit=fit,
    adapt_to_spec=adapt_to_spec,
)
