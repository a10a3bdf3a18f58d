"""The size and the cost of a network, counted from shapes on the meta device: nothing is computed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import wraps
from typing import Concatenate, ParamSpec, TypeAlias, TypeVar

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks
from torch.utils.flop_counter import FlopCounterMode

from resunit.models.designs import DESIGNS, Design
from resunit.models.network import NetworkSpec, ResidualNetwork, build
from resunit.ops.activation_checkpointing import segment_length

P = ParamSpec("P")
T = TypeVar("T")

Part: TypeAlias = Callable[[Tensor], Tensor]
"""A module, or a function that ends a network."""


def count_once(count: Callable[Concatenate[NetworkSpec, P], T]) -> Callable[Concatenate[NetworkSpec, P], T]:
    """Return `count` with its results remembered, because a pass over shapes takes as long as some steps of training.

    Two networks count as one if their specs are equal and the code of their design is the same.
    """
    counts: dict[str, tuple[Design | None, T]] = {}

    @wraps(count)
    def remember(spec: NetworkSpec, *args: P.args, **kwargs: P.kwargs) -> T:
        key, design = repr((spec, args, kwargs)), DESIGNS.get(spec.design)
        if key not in counts or counts[key][0] is not design:
            counts[key] = design, count(spec, *args, **kwargs)
        return counts[key][1]

    return remember


def count_parameters(model: nn.Module) -> int:
    """Return the number of parameters of `model`."""
    return sum(parameter.numel() for parameter in model.parameters())


def count_spec_parameters(spec: NetworkSpec) -> int:
    """Return the number of parameters of the network that `build(spec)` makes."""
    model = build_two_units_a_stage(spec)
    total = count_parameters(model)
    for stage, depth in zip(model.stages.children(), spec.depths, strict=True):
        *_, last = stage.children()
        total += max(depth - 2, 0) * count_parameters(last)
    return total


@count_once
def count_multiply_adds(spec: NetworkSpec, image_size: int) -> int:
    """Return the multiply-adds of convolutions and linear layers for one image, forward."""
    model = build_two_units_a_stage(spec).eval()
    image = torch.empty(1, spec.in_channels, image_size, image_size, device="meta")
    with torch.no_grad(), FlopCounterMode(display=False) as counter:

        def count(part: Part, x: Tensor) -> tuple[Tensor, int]:
            before = counter.get_total_flops()
            return part(x), counter.get_total_flops() - before

        return sum_over_units(spec, model, image, count) // 2  # The counter counts 2 for a multiply-add.


@count_once
def count_training_flops(spec: NetworkSpec, image_size: int, frozen: Sequence[str] = ()) -> int:
    """Return the operations to train on one image: convolutions and linear layers, 2 per multiply-add.

    Forward, gradient to the inputs and gradient to the weights: three times the forward count, but twice for
    the first layer, whose input needs no gradient, and once for a whitening stem, which needs none at all. Parts
    that are `frozen`, named as `ResidualNetwork.freeze` takes them, need no gradient to their weights.
    """
    model = build_two_units_a_stage(spec)
    model.freeze(frozen)
    images = torch.empty(2, spec.in_channels, image_size, image_size, device="meta")
    with torch.enable_grad(), FlopCounterMode(display=False) as counter:

        def count(part: Part, x: Tensor) -> tuple[Tensor, int]:
            before = counter.get_total_flops()
            y = part(x)
            if y.requires_grad:
                y.sum().backward()
            return y.detach().requires_grad_(y.requires_grad), counter.get_total_flops() - before

        return sum_over_units(spec, model, images, count) // len(images)


def build_two_units_a_stage(spec: NetworkSpec) -> ResidualNetwork:
    """Return a network of `spec` with at most two units a stage, on the meta device."""
    with torch.device("meta"):
        return build(replace(spec, depths=tuple(min(depth, 2) for depth in spec.depths)))


def sum_over_units(
    spec: NetworkSpec,
    model: ResidualNetwork,
    images: Tensor,
    count: Callable[[Part, Tensor], tuple[Tensor, int]],
) -> int:
    """Return the sum of a count over all parts of a network of `spec`.

    `model` is the same network with at most two units a stage: each further unit counts like the second. `count`
    returns the output of a part for an input, and the part's count.
    """
    x, total = count(model.stem, images)
    for stage, depth in zip(model.stages.children(), spec.depths, strict=True):
        first, *second = stage.children()
        x, counted = count(first, x)
        total += counted
        for unit in second:
            x, counted = count(unit, x)
            total += (depth - 1) * counted
    x, counted = count(model.final_activation, x)
    return total + counted + count(model.forward_head, x)[1]


@dataclass(frozen=True)
class ActivationMemory:
    """The count of the numbers that training on one image stores between the forward and the backward pass.

    Attributes:
        everything: the count of all activations.
        checkpointed: the count of the activations that are stored with activation checkpointing.
    """

    everything: int
    checkpointed: int


@count_once
def count_activations(spec: NetworkSpec, image_size: int, frozen: Sequence[str] = ()) -> ActivationMemory:
    """Return the count for a network of `spec`, computed from the first two units of each stage.

    Each further unit counts like the second unit of its stage.
    """
    model = build_two_units_a_stage(spec)
    model.freeze(frozen)
    x = torch.empty(2, spec.in_channels, image_size, image_size, device="meta")
    stored: dict[int, int] = {}
    x, ends = count_stored_numbers(model.stem, x, stored)
    everything, streams, segments = 0, 0, []
    for stage, depth in zip(model.stages.children(), spec.depths, strict=True):
        length = segment_length(depth)
        streams += x.numel()  # The first segment's input; the last segment of a stage stores its activations.
        units = []
        for unit in stage.children():
            x, numbers = count_stored_numbers(unit, x, stored)
            units.append(numbers)
        everything += sum(units) + (depth - len(units)) * units[-1]
        streams += (-(-depth // length) - 1) * x.numel()
        segments.append(length * units[-1])
    _, last = count_stored_numbers(model.final_activation, x, stored)
    ends += last
    return ActivationMemory((ends + everything) // 2, (ends + streams + sum(segments)) // 2)


def count_stored_numbers(module: nn.Module, x: Tensor, stored: dict[int, int]) -> tuple[Tensor, int]:
    """Return module(x), and how many numbers autograd stores for its backward pass, parameters apart.

    `stored` has the sizes of the storages that earlier modules store; the storages of this module are added.
    """
    own = {id(parameter) for parameter in module.parameters()}
    before = sum(stored.values())

    def store(tensor: Tensor) -> Tensor:
        if id(tensor) not in own:
            storage = tensor.untyped_storage()
            stored[storage._cdata] = storage.nbytes() // tensor.element_size()
        return tensor

    with torch.enable_grad(), saved_tensors_hooks(store, lambda tensor: tensor):
        y = module(x)
    return y, sum(stored.values()) - before
