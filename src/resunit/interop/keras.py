"""Keras' ResNet50, ResNet101 and ResNet152, of Keras 3 and of the older Keras applications.

Source: keras/src/applications/resnet.py and keras_applications/resnet50.py. Convolutions have biases, the stride of a
bottleneck is on its first convolution, and images are BGR from 0 to 255 minus a mean colour. The older ResNet50 has
other names of layers and another epsilon.
"""

from collections.abc import Mapping
from dataclasses import replace

from torch import Tensor

from resunit.interop.library import (
    Architecture,
    LayerNames,
    Library,
    LibraryConventions,
    LibraryPreprocessing,
    ParameterNames,
    Refusal,
    index_by_name,
)
from resunit.models.registry import IMAGENET_BOTTLENECK

BLOCK = "conv{stage2}_block{unit1}"
LAYERS = LayerNames(
    stem_convs=("conv1_conv",),
    stem_norms=("conv1_bn",),
    conv=BLOCK + "_{n1}_conv",
    norm=BLOCK + "_{n1}_bn",
    shortcut_conv=BLOCK + "_0_conv",
    shortcut_norm=BLOCK + "_0_bn",
    classifier="predictions",
)
OLD_LAYERS = LayerNames(
    stem_convs=("conv1",),
    stem_norms=("bn_conv1",),
    conv="res{stage2}{unit_letter}_branch2{n_letter}",
    norm="bn{stage2}{unit_letter}_branch2{n_letter}",
    shortcut_conv="res{stage2}{unit_letter}_branch1",
    shortcut_norm="bn{stage2}{unit_letter}_branch1",
    classifier="fc1000",
)
CONVENTIONS = LibraryConventions(
    epsilon=1.001e-5,
    momentum=0.01,
    convolution_biases=True,
    kernels="HWIO",
    classifier="transposed",
    input_order="BGR",
)
OLD_CONVENTIONS = replace(CONVENTIONS, epsilon=1e-3)
PARAMETERS = ParameterNames(
    weight="kernel",
    gamma="gamma",
    beta="beta",
    running_mean="moving_mean",
    running_var="moving_variance",
    num_batches_tracked="",
)
# The mean colour of ImageNet as Caffe's networks subtract it, in RGB and in 255ths; nothing is divided.
PREPARATION = LibraryPreprocessing(
    224,
    mean=(123.68 / 255, 116.779 / 255, 103.939 / 255),
    std=(1 / 255, 1 / 255, 1 / 255),
    shorter_side=256,
)
DEPTHS = {"ResNet50": (3, 4, 6, 3), "ResNet101": (3, 4, 23, 3), "ResNet152": (3, 8, 36, 3)}


def rename(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return tensors by "layer.tensor", where a file has "model/layer/layer/tensor:0" or the like."""
    return {
        ".".join(name.partition(":")[0].replace("/", ".").split(".")[-2:]): t for name, t in tensors.items()
    }


def fit(architecture: Architecture, tensors: Mapping[str, Tensor]) -> Architecture:
    """Return the architecture with the older names and epsilon, if the tensors have these names."""
    if "bn_conv1.gamma" not in tensors:
        return architecture
    return replace(architecture, layers=OLD_LAYERS, conventions=OLD_CONVENTIONS)


KERAS = Library(
    "keras",
    index_by_name(
        *(
            Architecture(
                name,
                replace(IMAGENET_BOTTLENECK, depths=depths, stride_on="1x1"),
                LAYERS,
                CONVENTIONS,
                PREPARATION,
            )
            for name, depths in DEPTHS.items()
        )
    ),
    parameters=PARAMETERS,
    refusals=(
        Refusal("v2", "it has the stride in a stage's last unit and pads zeros before its pool"),
        Refusal("resnext", "its convolutions have groups, which resunit has not"),
        Refusal("rs", "its units have attention"),
    ),
    rename=rename,
    fit=fit,
)
