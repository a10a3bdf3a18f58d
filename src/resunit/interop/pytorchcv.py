"""pytorchcv's ResNet and PreResNet, for CIFAR and for ImageNet.

Source: pytorchcv/models/resnet.py, preresnet.py, resnet_cifar.py and preresnet_cifar.py, 0.0.74. Names that end in b
have the stride of a bottleneck on its 3x3 convolution, as all CIFAR networks have. The stem of an ImageNet
PreResNet activates, and so does its first unit.
"""

from dataclasses import replace

from resunit.interop.library import (
    FOR_CIFAR,
    Architecture,
    LayerNames,
    Library,
    LibraryPreprocessing,
    Refusal,
    index_by_name,
)
from resunit.models.network import NetworkSpec
from resunit.models.registry import BASIC, BOTTLENECK, IMAGENET_BASIC, IMAGENET_BOTTLENECK

UNIT = "features.stage{stage1}.unit{unit1}"
RESNET = LayerNames(
    stem_convs=("features.init_block.conv.conv",),
    stem_norms=("features.init_block.conv.bn",),
    conv=UNIT + ".body.conv{n1}.conv",
    norm=UNIT + ".body.conv{n1}.bn",
    shortcut_conv=UNIT + ".identity_conv.conv",
    shortcut_norm=UNIT + ".identity_conv.bn",
    classifier="output",
)
RESNET_CIFAR = replace(
    RESNET, stem_convs=("features.init_block.conv",), stem_norms=("features.init_block.bn",)
)
PRERESNET = replace(
    RESNET_CIFAR, shortcut_conv=UNIT + ".identity_conv", shortcut_norm="", final_norm="features.post_activ.bn"
)
PRERESNET_CIFAR = replace(PRERESNET, stem_convs=("features.init_block",), stem_norms=())

BASIC_DEPTHS = {
    "10": (1, 1, 1, 1),
    "12": (2, 1, 1, 1),
    "14": (2, 2, 1, 1),
    "16": (2, 2, 2, 1),
    "18": (2, 2, 2, 2),
    "26": (3, 3, 3, 3),
    "34": (3, 4, 6, 3),
}
BOTTLENECK_DEPTHS = {
    "50": (3, 4, 6, 3),
    "101": (3, 4, 23, 3),
    "152": (3, 8, 36, 3),
    "200": (3, 24, 36, 3),
}
STRIDE_ON_3X3_DEPTHS = {
    "bc14b": (1, 1, 1, 1),
    "bc26b": (2, 2, 2, 2),
    "bc38b": (3, 3, 3, 3),
    "269b": (3, 30, 48, 8),
} | {f"{name}b": depths for name, depths in BOTTLENECK_DEPTHS.items()}
CIFAR_BASIC = {"20": 3, "56": 9, "110": 18, "1202": 200}
CIFAR_BOTTLENECK = {"164bn": 18, "272bn": 30, "542bn": 60, "1001": 111}
CIFAR_CLASSES = {"cifar10": 10, "cifar100": 100, "svhn": 10}


def make_imagenet_specs() -> dict[str, NetworkSpec]:
    """Return the specs of the ImageNet networks by what follows "resnet" in their names."""
    on_1x1, on_3x3 = (replace(IMAGENET_BOTTLENECK, stride_on=stride) for stride in ("1x1", "3x3"))
    families = (
        (IMAGENET_BASIC, BASIC_DEPTHS),
        (on_1x1, BOTTLENECK_DEPTHS),
        (on_3x3, STRIDE_ON_3X3_DEPTHS),
    )
    return {name: replace(spec, depths=depths) for spec, named in families for name, depths in named.items()}


def make_cifar_specs() -> dict[str, NetworkSpec]:
    """Return the specs of the CIFAR networks by what follows "resnet" in their names."""
    families = (
        (replace(BASIC, shortcut_option="B"), CIFAR_BASIC),
        (replace(BOTTLENECK, stride_on="3x3"), CIFAR_BOTTLENECK),
    )
    return {
        f"{name}_{data}": replace(spec, depths=(units,) * 3, num_classes=classes)
        for spec, named in families
        for name, units in named.items()
        for data, classes in CIFAR_CLASSES.items()
    }


def preactivate(spec: NetworkSpec) -> NetworkSpec:
    """Return the spec of the PreResNet of the same size."""
    return replace(
        spec,
        design="full-preactivation",
        shared_preactivation="projection",
        stem_activation="both" if spec.stem == "imagenet" else "one",
    )


def preprocessing_for(name: str) -> LibraryPreprocessing:
    """Return how images are prepared for the network of this name, which says what it was trained on."""
    return replace(FOR_CIFAR, data="svhn") if name.endswith("svhn") else FOR_CIFAR


PYTORCHCV = Library(
    "pytorchcv",
    index_by_name(
        *(Architecture(f"resnet{n}", s, RESNET) for n, s in make_imagenet_specs().items() if n != "269b"),
        *(Architecture(f"preresnet{n}", preactivate(s), PRERESNET) for n, s in make_imagenet_specs().items()),
        *(
            Architecture(f"resnet{n}", s, RESNET_CIFAR, preprocessing=FOR_CIFAR)
            for n, s in make_cifar_specs().items()
        ),
        *(
            Architecture(f"preresnet{n}", preactivate(s), PRERESNET_CIFAR, preprocessing=preprocessing_for(n))
            for n, s in make_cifar_specs().items()
        ),
    ),
    refusals=(
        Refusal("_w[0-9]*d[0-9]+", "its last unit has another width than its stage"),
        Refusal("resnext|resnesta", "its convolutions have groups, which resunit has not"),
        Refusal("^(se|sk|eca|bam_|cbam_|dia)|senet", "its units have attention"),
        Refusal("shake|rir|ror|drop", "its units have more than two paths"),
    ),
)
