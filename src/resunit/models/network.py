"""A network is a stem, stages of residual units, one more activation and a classifier."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Literal

from torch import Tensor, nn

from resunit.errors import unknown
from resunit.io.fields import Bounds, annotations_of, check_value
from resunit.models.designs import DESIGNS, UnitParts
from resunit.models.features import Feature, choose_indices, compute_features, describe_features
from resunit.models.options import SharedPreactivation, ShortcutOption, StrideOn
from resunit.models.partly_frozen import PartlyFrozen
from resunit.models.residual_unit import (
    QUARTER,
    BranchKind,
    Nonlinearity,
    Placement,
    activation,
    branch,
    chain,
    convolution,
    weight_layers,
)
from resunit.models.shortcuts import Subsample, projection
from resunit.ops.activation_checkpointing import Stage, enable_activation_checkpointing
from resunit.ops.batch_norm_act import LayerSequence

Stem = Literal["cifar", "imagenet", "whitening"]
StemActivation = Literal["one", "both"]


@dataclass(frozen=True)
class NetworkSpec:
    """All that determines a network's modules; plain values, so that it travels as JSON inside weight files."""

    stem: Stem
    branch: BranchKind
    depths: Annotated[tuple[int, ...], Bounds(1, 10_000)]
    """The number of units in each stage."""
    widths: Annotated[tuple[int, ...], Bounds(1, 100_000)]
    """The output channels of each stage."""
    strides: Annotated[tuple[int, ...], Bounds(1, 100)]
    """The stride of the first unit of each stage."""
    stem_channels: Annotated[int, Bounds(1, 100_000)]
    num_classes: Annotated[int, Bounds(0, 100_000)]
    """0 is a network without a classifier, which gives the features that a classifier would read."""
    in_channels: Annotated[int, Bounds(1, 100_000)] = 3
    design: str = "original"
    """A row of `DESIGNS`."""
    design_options: Mapping[str, object] = field(default_factory=dict)
    """Keyword arguments of the design."""
    shared_preactivation: SharedPreactivation = "channel-change"
    """Which units of a pre-activation network activate before the split into two paths: the first of each stage
    (fb.resnet.torch), units that change channels or project (resnet-1k-layers), or units whose shortcut projects
    (timm). In the first two the network's first activation is in the stem (appendix, Implementation Details)."""
    stride_on: StrideOn = "3x3"
    """The convolution of a bottleneck that has the stride."""
    shortcut_option: ShortcutOption = "B"
    """The shortcut where the size changes: A subsamples and pads zeros, B projects, C projects in every unit,
    D averages before it projects."""
    nonlinearity: Nonlinearity = "relu"
    bottleneck_ratio: Annotated[float, Bounds(0, 4, low_is_open=True)] = QUARTER
    """The share of a bottleneck unit's channels that its inner convolutions have; wide networks have a half."""
    deep_stem: Annotated[tuple[int, ...], Bounds(1, 100_000)] = ()
    """Channels of the 3x3 convolutions before the stem's last convolution, which then is 3x3 too (He et al. 2019);
    none for a stem of one convolution."""
    stem_activation: StemActivation = "one"
    """Whether the activation before a pre-activation network's first unit stands once, or "both" in the stem and
    in the unit (MXNet, pytorchcv)."""

    @property
    def placement(self) -> Placement:
        """Where the activations of the design stand, Fig. 4."""
        return DESIGNS[self.design].placement

    @property
    def image_size(self) -> int:
        """The side, in pixels, of the images in the publication of the network."""
        return 224 if self.stem == "imagenet" else 32


def stem_for(spec: NetworkSpec, image_size: int) -> Stem:
    """Return the stem for images of `image_size` pixels a side: up to 64 they keep their size, as CIFAR's do."""
    if image_size > 64:
        return "imagenet"
    return "cifar" if spec.stem == "imagenet" else spec.stem


@dataclass(frozen=True)
class UnitPlan:
    """One unit's size and place in a network; `depth` is l / L for the l-th of L units."""

    in_channels: int
    out_channels: int
    stride: int
    first_of_stage: bool
    first_of_network: bool
    depth: float

    @property
    def changes_size(self) -> bool:
        """Whether x_l and x_{l+1} differ in size, so that h cannot be the identity."""
        return self.stride > 1 or self.in_channels != self.out_channels


def unit_plans(spec: NetworkSpec) -> Iterator[list[UnitPlan]]:
    """Yield the units of each stage, stage by stage."""
    channels, number, units = spec.stem_channels, 0, sum(spec.depths)
    for depth, width, stride in zip(spec.depths, spec.widths, spec.strides, strict=True):
        plans = []
        for index in range(depth):
            first = index == 0
            number += 1
            plans.append(
                UnitPlan(channels, width, stride if first else 1, first, number == 1, number / units)
            )
            channels = width
        yield plans


def projects(spec: NetworkSpec, plan: UnitPlan) -> bool:
    """Return whether this unit's shortcut has a 1x1 convolution for its size (options B, C and D)."""
    return spec.shortcut_option == "C" or (spec.shortcut_option != "A" and plan.changes_size)


def stem_activates(spec: NetworkSpec) -> bool:
    """Return whether the stem has the first unit's activation, before the split into two paths (appendix)."""
    return spec.shared_preactivation != "projection" or spec.stem_activation == "both"


def shares_preactivation(spec: NetworkSpec, plan: UnitPlan) -> bool:
    """Return whether both paths of this unit take the activated input."""
    if spec.shared_preactivation == "first-of-stage":
        return plan.first_of_stage
    if spec.shared_preactivation == "channel-change":
        return plan.in_channels != plan.out_channels or projects(spec, plan)
    return projects(spec, plan)


def size_change(spec: NetworkSpec, plan: UnitPlan) -> nn.Module:
    """Return the shortcut's change of size, by option A, B, C or D; the identity where nothing changes."""
    if projects(spec, plan):
        norm, pool = "norm" in spec.placement.after_last_conv, spec.shortcut_option == "D"
        return projection(plan.in_channels, plan.out_channels, plan.stride, norm, pool)
    if plan.changes_size:
        return Subsample(plan.in_channels, plan.out_channels, plan.stride)
    return nn.Identity()


def build_unit(spec: NetworkSpec, plan: UnitPlan) -> nn.Module:
    """Return the unit that `plan` describes, joined as the design says."""
    placement = spec.placement
    layers = weight_layers(
        spec.branch, plan.in_channels, plan.out_channels, plan.stride, spec.stride_on, spec.bottleneck_ratio
    )
    in_stem = plan.first_of_network and stem_activates(spec) and spec.stem_activation == "one"
    shared = not in_stem and shares_preactivation(spec, plan)
    before = placement.before_first_conv if shared else ()
    parts = UnitParts(
        branch=branch(layers, placement, spec.nonlinearity, preact_is_shared=in_stem or shared),
        size_change=lambda: size_change(spec, plan),
        after_addition=chain(activation(placement.after_addition, plan.out_channels, spec.nonlinearity)),
        shared_preact=chain(activation(before, plan.in_channels, spec.nonlinearity)),
        in_channels=plan.in_channels,
        out_channels=plan.out_channels,
        stride=plan.stride,
        norm_after_weights="norm" in placement.after_last_conv,
        depth=plan.depth,
    )
    return DESIGNS[spec.design].join(parts, **spec.design_options)


class UnfusedActivation(LayerSequence):
    """An activation that is not computed together with the norm before it."""


def build_stem(spec: NetworkSpec) -> nn.Module:
    """Return the stem.

    Its conv1 is a weight layer like any other: the layers after the last convolution of a branch and after an
    addition follow it too.
    """
    channels, placement = spec.stem_channels, spec.placement
    pool: list[nn.Module] = [nn.MaxPool2d(3, stride=2, padding=1)] if spec.stem == "imagenet" else []
    before: list[nn.Module] = []
    if spec.deep_stem:
        before, conv = deep_stem(spec)
    elif spec.stem == "imagenet":
        conv = nn.Conv2d(spec.in_channels, channels, 7, stride=2, padding=3, bias=False)
    elif spec.stem == "whitening":  # It is fitted to the images before training.
        conv = nn.Conv2d(spec.in_channels, channels, 2, bias=False).requires_grad_(False)
    else:
        conv = nn.Conv2d(spec.in_channels, channels, 3, padding=1, bias=False)
    layers = activation((*placement.after_last_conv, *placement.after_addition), channels, spec.nonlinearity)
    if stem_activates(spec):
        first_preact = activation(placement.before_first_conv, channels, spec.nonlinearity)
        # If the ReLU of (d) were fused with the norm of conv1, it would round differently.
        if first_preact and layers:
            first_preact = [UnfusedActivation(*first_preact)]
        layers += first_preact
    return chain([*before, conv, *layers, *pool])


def deep_stem(spec: NetworkSpec) -> tuple[list[nn.Module], nn.Conv2d]:
    """Return the layers of a deep stem before its last convolution, and that convolution (He et al. 2019)."""
    layers: list[nn.Module] = []
    channels, stride = spec.in_channels, 2 if spec.stem == "imagenet" else 1
    for width in spec.deep_stem:
        layers.append(convolution(channels, width, 3, stride))
        layers += activation(spec.placement.between_convs, width, spec.nonlinearity)
        channels, stride = width, 1
    return layers, convolution(channels, spec.stem_channels, 3)


class ResidualNetwork(PartlyFrozen):
    """Compute logits (N, num_classes) for images (N, in_channels, H, W): stem, stages, activation, mean, classifier.

    The classifier of a network for 0 classes is the identity, so its answers are the features (N, num_features).

    Attributes:
        num_features: the number of channels that the classifier reads.
        frozen: the paths of the parts that do not train, such as "stages.0".
    """

    __jit_unused_properties__ = ("feature_info",)

    def __init__(
        self,
        stem: nn.Module,
        stages: nn.Sequential,
        final_activation: nn.Module,
        classifier: nn.Linear | nn.Identity,
        num_features: int,
    ):
        super().__init__()
        self.stem = stem
        self.stages = stages
        self.final_activation = final_activation
        self.classifier = classifier
        self.num_features = num_features

    def forward(self, images: Tensor) -> Tensor:
        """Return (N, num_classes) logits for (N, in_channels, H, W) images."""
        x = self.forward_features(images)
        return self.forward_head(x)

    def forward_features(self, images: Tensor) -> Tensor:
        """Return the activations (N, num_features, H', W') before the global mean."""
        x = self.stem(images)
        x = self.stages(x)
        return self.final_activation(x)

    def forward_head(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        """Return the logits for what `forward_features` returned, or with `pre_logits` their mean (N, num_features)."""
        x = x.mean(dim=(2, 3))  # global average pooling
        return x if pre_logits else self.classifier(x)

    def forward_intermediates(
        self,
        images: Tensor,
        indices: int | Sequence[int] | None = None,
        norm: bool = False,
        stop_early: bool = False,
    ) -> tuple[Tensor, list[Tensor]]:
        """Return what `forward_features` returns, and the activations of the chosen parts in ascending order.

        Args:
            images: (N, in_channels, H, W).
            indices: the chosen parts, as indices of `feature_info`; a number n means the last n, and None means all.
            norm: whether the last stage's activations pass the final activation.
            stop_early: whether the last chosen part ends the computation; its activations then stand first.

        Raises:
            UsageError: there is no part of an index.
        """
        chosen = choose_indices(indices, len(self.stages) + 1)
        last = max(chosen) if stop_early else len(self.stages)
        x, features = compute_features(self, images, chosen, norm, last)
        return (self.final_activation(x) if last == len(self.stages) else x), features

    @property
    def feature_info(self) -> list[Feature]:
        """The channels, the reduction and the layer of the stem and of each stage, in timm's words."""
        return describe_features(self)

    def set_grad_checkpointing(self, enable: bool = True) -> None:
        """Store few activations for the backward pass and compute the others again, or store all of them."""
        enable_activation_checkpointing(self.stages, enable)

    def get_classifier(self) -> nn.Linear | nn.Identity:
        """Return the classifier."""
        return self.classifier

    def reset_classifier(self, num_classes: int) -> None:
        """Put a fresh classifier for `num_classes` classes in the place of the classifier; 0 leaves the features.

        Its weights are from torch's generator, and it stands where the parameters of the network stand. It trains,
        also if the old classifier was frozen.

        Raises:
            UsageError: `num_classes` is not a number of classes.
        """
        check_value("num_classes", num_classes, annotations_of(NetworkSpec)["num_classes"])
        example = next(self.stem.parameters())
        self.classifier = new_classifier(self.num_features, num_classes).to(example.device, example.dtype)
        self.classifier.train(self.training)
        self.frozen = tuple(path for path in self.frozen if path != "classifier")

    def freeze(self, parts: Sequence[str]) -> None:
        """Exclude parts from training: their parameters get no gradient, and they compute as in evaluation.

        Batch norms in them keep their running statistics, whatever mode the network is in.

        Args:
            parts: "stem", "stage1", ..., "final_activation" or "classifier".

        Raises:
            UsageError: the network has no such part.
        """
        for path in part_paths(parts, len(self.stages)):
            self.get_submodule(path).requires_grad_(False)
            self.frozen += (path,)
        self.train(self.training)


def part_paths(parts: Sequence[str], stages: int) -> list[str]:
    """Return the paths of parts of a network with so many stages, by their names; stage1 is "stages.0".

    Raises:
        UsageError: a part is neither "stem", "stage1", ..., "final_activation" nor "classifier".
    """
    of_stages = {f"stage{index + 1}": f"stages.{index}" for index in range(stages)}
    known = {"stem": "stem", **of_stages, "final_activation": "final_activation", "classifier": "classifier"}
    for part in parts:
        if part not in known:
            raise unknown("part of the network to freeze:", part, known)
    return [known[part] for part in parts]


def build(spec: NetworkSpec) -> ResidualNetwork:
    """Return the network of `spec`, initialised as in He et al. 2015 with weights from torch's generator."""
    stages = nn.Sequential(*(Stage(*(build_unit(spec, p) for p in plans)) for plans in unit_plans(spec)))
    final_activation = chain(activation(spec.placement.before_first_conv, spec.widths[-1], spec.nonlinearity))
    features = spec.widths[-1]
    classifier = new_classifier(features, spec.num_classes)
    network = ResidualNetwork(build_stem(spec), stages, final_activation, classifier, features)
    initialise(network)
    return network


def new_classifier(num_features: int, num_classes: int) -> nn.Linear | nn.Identity:
    """Return an initialised classifier of features (N, num_features); for 0 classes the identity."""
    if not num_classes:
        return nn.Identity()
    classifier = nn.Linear(num_features, num_classes)
    initialise(classifier)
    return classifier


def initialise(module: nn.Module) -> None:
    """Draw the weights of k x k convolutions from a normal distribution, and set the classifier's bias to 0.

    The standard deviation is sqrt(2 / (k * k * c_out)) (He et al. 2015). Batch norms keep gamma 1 and beta 0. A module
    whose class is neither ours nor torch's keeps its own initialisation, and so do all modules in it.
    """
    if not type(module).__module__.startswith(("resunit.", "torch.nn.")):
        return
    if isinstance(module, nn.Conv2d):
        fan_out = math.prod(module.kernel_size) * module.out_channels
        nn.init.normal_(module.weight, std=math.sqrt(2 / fan_out))
    elif isinstance(module, nn.Linear):
        nn.init.zeros_(module.bias)
    for child in module.children():
        initialise(child)
