"""The convolutions of a network and nothing else: no training step takes less time."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import product

import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.processes import Prepared
from benchmarks.records import Details
from benchmarks.timing import time_least
from resunit.models.network import NetworkSpec, build
from resunit.ops.cpu.allocator import keep_freed_memory
from resunit.ops.processor import supports_bf16


@dataclass(frozen=True)
class Convolution:
    """One convolution of a network, with the sizes of a batch.

    `input`, `weight` and `output` are shapes; those of the input and of the output are (N, C, H, W).
    """

    input: tuple[int, ...]
    weight: tuple[int, ...]
    output: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    groups: int
    input_gradient: bool
    """Whether training needs the gradient with respect to the input."""
    weight_gradient: bool
    """Whether training needs the gradient with respect to the weight."""

    @property
    def multiply_adds(self) -> int:
        """Multiply-adds of the forward pass: each output number is a sum over the weights that reach it."""
        return math.prod(self.output) * math.prod(self.weight[1:])

    @property
    def training_flops(self) -> int:
        """Arithmetic of the forward pass and of the gradients that training needs, 2 per multiply-add."""
        return 2 * self.multiply_adds * (1 + self.input_gradient + self.weight_gradient)


def list_convolutions(spec: NetworkSpec, batch_size: int, image_size: int) -> list[Convolution]:
    """Return all convolutions of the network in the order in which they run.

    Hooks record them during a forward pass on the meta device, which computes nothing.
    """
    found = []

    def record(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        assert isinstance(module, nn.Conv2d)
        assert isinstance(module.padding, tuple)
        x, weight = inputs[0], module.weight
        found.append(
            Convolution(
                input=tuple(x.shape),
                weight=tuple(weight.shape),
                output=tuple(output.shape),
                stride=module.stride,
                padding=module.padding,
                groups=module.groups,
                input_gradient=x.requires_grad,
                weight_gradient=weight.requires_grad,
            )
        )

    with torch.device("meta"):
        network = build(spec)
        for module in network.modules():
            if isinstance(module, nn.Conv2d):
                module.register_forward_hook(record)
        network(torch.empty(batch_size, spec.in_channels, image_size, image_size))
    return found


def prepare_convolutions(spec: NetworkSpec, batch_size: int, image_size: int) -> Prepared:
    """Return a pass forward and backward through the network's convolutions alone.

    Precision and layout are the quickest of those that the processor computes in hardware.
    """
    keep_freed_memory(torch.device("cpu"))
    precisions = [torch.float32]
    if supports_bf16(torch.device("cpu")):
        precisions.append(torch.bfloat16)
    candidates = list(product(precisions, (torch.contiguous_format, torch.channels_last)))
    layers = list_convolutions(spec, batch_size, image_size)
    precision, layout = min(candidates, key=lambda candidate: time_least(build_pass(layers, *candidate)))
    return build_pass(layers, precision, layout), Details(
        precision=str(precision).removeprefix("torch."),
        layout=str(layout).removeprefix("torch."),
        flops=sum(layer.training_flops for layer in layers),
    )


def build_pass(
    layers: list[Convolution], precision: torch.dtype, layout: torch.memory_format
) -> Callable[[], None]:
    """Return a pass forward through `layers` and then backward from the last to the first, as training does.

    Each layer has an input of its own. In training, too, a stored activation has left the caches when the
    backward pass comes to it. Gradients of one shape share their memory, because in training the allocator
    gives the memory of one gradient to the next.
    """

    def numbers(shape: tuple[int, ...]) -> Tensor:
        return torch.randn(shape).to(precision).contiguous(memory_format=layout)

    tensors = [(numbers(layer.input), numbers(layer.weight)) for layer in layers]
    gradients = {shape: numbers(shape) for shape in {layer.output for layer in layers}}

    @torch.no_grad()
    def work() -> None:
        for layer, (x, weight) in zip(layers, tensors, strict=True):
            functional.conv2d(x, weight, None, layer.stride, layer.padding, groups=layer.groups)
        for layer, (x, weight) in zip(reversed(layers), reversed(tensors), strict=True):
            wanted = [layer.input_gradient, layer.weight_gradient, False]
            if any(wanted):
                torch.ops.aten.convolution_backward(
                    gradients[layer.output], x, weight, None, layer.stride, layer.padding, (1, 1), False,
                    (0, 0), layer.groups, wanted,
                )  # fmt: skip

    return work
