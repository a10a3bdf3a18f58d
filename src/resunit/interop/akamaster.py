"""akamaster's CIFAR networks: shortcut option A, with new channels on both sides of the old ones.

Source: resnet.py of github.com/akamaster/pytorch_resnet_cifar10. Its checkpoints are pickles with "state_dict" and
"best_prec1", and their names begin with "module.". Images are normalised with ImageNet's statistics.
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
    index_by_name,
)
from resunit.models.network import NetworkSpec
from resunit.models.registry import BASIC

LAYERS = LayerNames(
    stem_convs=("conv1",),
    stem_norms=("bn1",),
    conv="layer{stage1}.{unit0}.conv{n1}",
    norm="layer{stage1}.{unit0}.bn{n1}",
    shortcut_conv="layer{stage1}.{unit0}.shortcut.0",
    shortcut_norm="layer{stage1}.{unit0}.shortcut.1",
    classifier="linear",
)
UNITS_A_STAGE = {20: 3, 32: 5, 44: 7, 56: 9, 110: 18, 1202: 200}


def fit(architecture: Architecture, tensors: Mapping[str, Tensor]) -> Architecture:
    """Return the architecture with shortcut option B, which the code has too, if the tensors have projections."""
    option = "B" if any(".shortcut." in name for name in tensors) else "A"
    return replace(architecture, spec=replace(architecture.spec, shortcut_option=option))


def adapt_to_spec(architecture: Architecture, spec: NetworkSpec) -> Architecture:
    """Return the architecture with the shortcut option of `spec`, if it is A or B."""
    if spec.shortcut_option not in ("A", "B"):
        return architecture
    return replace(architecture, spec=replace(architecture.spec, shortcut_option=spec.shortcut_option))


AKAMASTER = Library(
    "akamaster",
    index_by_name(
        *(
            Architecture(
                f"resnet{depth}",
                replace(BASIC, depths=(units,) * 3),
                LAYERS,
                LibraryConventions(zeros_on_both_sides=True),
                LibraryPreprocessing(32, data="cifar"),
            )
            for depth, units in UNITS_A_STAGE.items()
        )
    ),
    fit=fit,
    adapt_to_spec=adapt_to_spec,
)
