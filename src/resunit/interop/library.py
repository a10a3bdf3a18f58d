"""What there is to know of another library: the names of its tensors, its conventions and its architectures."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from torch import Tensor

from resunit.interop.layers import LayerPlace
from resunit.models.network import NetworkSpec

OUR_EPSILON = 1e-5
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class LayerNames:
    """The paths of a library's layers, as texts with counters in braces.

    {stage0} and {stage1} count stages from 0 and from 1, {unit0} and {unit1} units, {n0} and {n1} the layers of a
    kind in a unit; {stage2} counts stages from 2, and {unit_letter} and {n_letter} count with a, b, c.
    """

    stem_convs: tuple[str, ...]
    stem_norms: tuple[str, ...]
    conv: str
    norm: str
    shortcut_conv: str
    classifier: str
    shortcut_norm: str = ""
    """The norm behind a projection, which pre-activation networks do not have."""
    final_norm: str = ""
    """The norm behind the last unit, which only pre-activation networks have."""

    def of(self, layer: LayerPlace) -> str:
        """Return the library's path of `layer`.

        Raises:
            ValueError: the library has no such layer.
        """
        if layer.place == "stem":
            names = self.stem_convs if layer.kind == "conv" else self.stem_norms
            pattern = names[layer.number] if layer.number < len(names) else ""
        elif layer.place == "branch":
            pattern = self.conv if layer.kind == "conv" else self.norm
        elif layer.place == "shortcut":
            pattern = self.shortcut_conv if layer.kind == "conv" else self.shortcut_norm
        else:
            pattern = self.final_norm if layer.place == "final" else self.classifier
        if not pattern:
            raise ValueError(f"the library has no layer in the place of {layer.path}")
        counters = {"stage": layer.stage, "unit": layer.unit, "n": layer.number}
        return pattern.format(
            **{f"{key}{start}": count + start for key, count in counters.items() for start in (0, 1, 2)},
            unit_letter=_letter(layer.unit),
            n_letter=_letter(layer.number),
        )


@dataclass(frozen=True)
class ParameterNames:
    """The names of a layer's tensors."""

    weight: str = "weight"
    bias: str = "bias"
    gamma: str = "weight"
    beta: str = "bias"
    running_mean: str = "running_mean"
    running_var: str = "running_var"
    num_batches_tracked: str = "num_batches_tracked"
    """The number of updates of the statistics; files of older versions have none, and nothing depends on it."""


@dataclass(frozen=True)
class LibraryConventions:
    """What a library does otherwise than resunit, with the same function in evaluation."""

    epsilon: float = OUR_EPSILON
    """What batch norm adds to the variance."""
    momentum: float = 0.1
    """The weight of a batch's statistics in the running statistics."""
    convolution_biases: bool = False
    """Each convolution has a bias, and a batch norm directly after it."""
    zeros_on_both_sides: bool = False
    """Shortcut option A pads half of the new channels before the old ones, and half after."""
    kernels: Literal["OIHW", "HWIO"] = "OIHW"
    classifier: Literal["linear", "transposed", "1x1"] = "linear"
    """The classifier's weight is (classes, channels), its transpose, or that of a 1x1 convolution."""
    input_order: Literal["RGB", "BGR"] = "RGB"
    """The order of an image's colours; the first convolution is reordered, so that ours is RGB always."""


@dataclass(frozen=True)
class LibraryPreprocessing:
    """How a library prepares images for its networks: (x / 255 - mean) / std."""

    image_size: int
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD
    shorter_side: int | None = None
    """The side in pixels that images are scaled to before their centre is cut out."""
    data: Literal["imagenet", "cifar", "svhn"] = "imagenet"
    """What the library's own networks were trained on: it decides what the classes are called."""


FOR_IMAGENET = LibraryPreprocessing(224, shorter_side=256)
FOR_CIFAR = LibraryPreprocessing(32, (0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010), data="cifar")


@dataclass(frozen=True)
class Architecture:
    """One network of a library."""

    name: str
    spec: NetworkSpec
    """The network in our words; a file decides about classes and input channels."""
    layers: LayerNames
    conventions: LibraryConventions = LibraryConventions()
    preprocessing: LibraryPreprocessing = FOR_IMAGENET


@dataclass(frozen=True)
class Refusal:
    """A family of networks that resunit cannot express."""

    pattern: str
    """A regular expression that the family's names match."""
    reason: str


def _keep_tensors(tensors: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    return tensors


def _keep_architecture(architecture: Architecture, _: object) -> Architecture:
    return architecture


@dataclass(frozen=True)
class Library:
    """A library: its architectures, and what its files leave to be found out from the tensors themselves."""

    name: str
    architectures: Mapping[str, Architecture]
    parameters: ParameterNames = ParameterNames()
    refusals: tuple[Refusal, ...] = ()
    rename: Callable[[Mapping[str, Tensor]], Mapping[str, Tensor]] = field(default=_keep_tensors)
    """Gives the tensors of one file format the names of the others."""
    fit: Callable[[Architecture, Mapping[str, Tensor]], Architecture] = field(default=_keep_architecture)
    """Returns the architecture with those choices made that its name leaves open and the tensors show."""
    from_config: Callable[[Path], Architecture] | None = None
    """Reads an architecture from the library's own configuration file, where there is one."""
    adapt_to_spec: Callable[[Architecture, NetworkSpec], Architecture] = field(default=_keep_architecture)
    """Returns the architecture with those choices made as in a spec."""


def index_by_name(*architectures: Architecture) -> dict[str, Architecture]:
    """Return architectures by their names."""
    return {architecture.name: architecture for architecture in architectures}


def _letter(count: int) -> str:
    return chr(ord("a") + count) if count < 26 else f"?{count}"
