"""Keras' ResNet written out: the names of its weights, and its forward pass."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from resunit.interop.library import Architecture
from tests.interop.parity import gain

State = dict[str, Tensor]


def new_names(stage: int, block: int, number: int) -> tuple[str, str]:
    """Return the names of a block's convolution and norm; number 0 is the shortcut's."""
    start = f"conv{stage}_block{block}_{number}"
    return f"{start}_conv", f"{start}_bn"


def old_names(stage: int, block: int, number: int) -> tuple[str, str]:
    letter = "abcdefghijklmnopqrstuvwxyz"[block - 1]
    end = f"{stage}{letter}_branch" + (f"2{'abc'[number - 1]}" if number else "1")
    return f"res{end}", f"bn{end}"


class Style(NamedTuple):
    stem: tuple[str, str]
    names: Callable[[int, int, int], tuple[str, str]]
    head: str
    epsilon: float


NEW = Style(("conv1_conv", "conv1_bn"), new_names, "predictions", 1.001e-5)
OLD = Style(("conv1", "bn_conv1"), old_names, "fc1000", 1e-3)


def random_state(architecture: Architecture, style: Style, classes: int) -> State:
    spec, names, head = architecture.spec, style.names, style.head
    state: State = {}

    def layer(paths: tuple[str, str], size: int, inputs: int, outputs: int) -> None:
        conv, norm = paths
        state[f"{conv}/kernel"] = (
            torch.randn(size, size, inputs, outputs) * (2 / (size * size * outputs)) ** 0.5
        )
        state[f"{conv}/bias"] = torch.randn(outputs) * 0.3
        # So small a variance makes epsilon count; the norm's gain is about 1, or less in deep networks.
        state[f"{norm}/gamma"] = (torch.rand(outputs) + 0.5) * 0.07 * gain(3 * sum(spec.depths))
        state[f"{norm}/beta"] = torch.rand(outputs) - 0.5
        state[f"{norm}/moving_mean"] = torch.rand(outputs) - 0.5
        state[f"{norm}/moving_variance"] = torch.rand(outputs) * 0.009 + 0.001

    layer(style.stem, 7, 3, spec.stem_channels)
    inputs = spec.stem_channels
    for stage, (depth, width) in enumerate(zip(spec.depths, spec.widths, strict=True), 2):
        for block in range(1, depth + 1):
            if block == 1:
                layer(names(stage, block, 0), 1, inputs, width)
            layer(names(stage, block, 1), 1, inputs, width // 4)
            layer(names(stage, block, 2), 3, width // 4, width // 4)
            layer(names(stage, block, 3), 1, width // 4, width)
            inputs = width
    state[f"{head}/kernel"] = torch.randn(inputs, classes)
    state[f"{head}/bias"] = torch.randn(classes)
    return state


def forward(state: State, architecture: Architecture, style: Style, images: Tensor) -> Tensor:
    """Return the logits of Keras' network for images (N, 3, H, W) in BGR."""
    names, head, epsilon = style.names, style.head, style.epsilon

    def conv_norm(x: Tensor, paths: tuple[str, str], stride: int = 1, padding: int = 0) -> Tensor:
        conv, norm = paths
        x = functional.conv2d(
            x, state[f"{conv}/kernel"].permute(3, 2, 0, 1), state[f"{conv}/bias"], stride, padding
        )
        mean, variance, gamma, beta = (
            state[f"{norm}/{name}"][:, None, None]
            for name in ("moving_mean", "moving_variance", "gamma", "beta")
        )
        return gamma * (x - mean) / (variance + epsilon).sqrt() + beta

    x = functional.relu(conv_norm(images, style.stem, 2, 3))
    x = functional.max_pool2d(functional.pad(x, (1, 1, 1, 1)), 3, 2)  # Keras pads zeros.
    for stage, depth in enumerate(architecture.spec.depths, 2):
        for block in range(1, depth + 1):
            stride = 2 if stage > 2 and block == 1 else 1
            shortcut = conv_norm(x, names(stage, block, 0), stride) if block == 1 else x
            y = functional.relu(conv_norm(x, names(stage, block, 1), stride))
            y = functional.relu(conv_norm(y, names(stage, block, 2), padding=1))
            x = functional.relu(shortcut + conv_norm(y, names(stage, block, 3)))
    return x.mean(dim=(2, 3)) @ state[f"{head}/kernel"] + state[f"{head}/bias"]
