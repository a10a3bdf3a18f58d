"""Layers one after another, computed by compiled kernels where there are some for the device.

All layers stay modules of their own. The kernels are only how a `LayerSequence` computes them: they step aside as
soon as a layer is replaced, has a hook, or is looked at by a tracer.
"""

import torch
from torch import Tensor, nn

from resunit.ops.cpu import batch_norm as kernels
from resunit.ops.cpu import convolution
from resunit.ops.cpu.watched import is_watched


class LayerSequence(nn.Sequential):
    """Apply layers one after another, (N, C, H, W) -> (N, C', H', W'), like nn.Sequential.

    A batch norm that is followed by a ReLU or a GELU is computed together with it, and a convolution of 3x3 in fewer
    products, by compiled kernels where there are some for the device. The result equals that of the separate modules
    except for rounding (of the GELU's distribution function: 1.5e-7).
    """

    def forward(self, input: Tensor) -> Tensor:
        """Return the output of the last layer."""
        if torch.jit.is_scripting():  # pyright: ignore[reportPrivateImportUsage]
            for layer in self:
                input = layer(input)
            return input
        else:  # noqa: RET505 (TorchScript would compile what follows the `if`, and skips its `else`.)
            return self._apply_layers(input)

    def _apply_layers(self, x: Tensor) -> Tensor:
        """Return the output of the last layer, computed by the kernel where no tool follows torch's functions."""
        if is_watched():
            return super().forward(x)
        layers = list(self._modules.values())
        index = 0
        while index < len(layers):
            layer = layers[index]
            if type(layer) is nn.BatchNorm2d and is_plain(layer) and kernels.can_compute(x, layer):
                name = fusable_activation(layers[index + 1] if index + 1 < len(layers) else None)
                x = kernels.batch_norm_act(x, layer, name)
                index += 1 if name == "identity" else 2
            elif type(layer) is nn.Conv2d and is_plain(layer) and convolution.can_compute(x, layer):
                x = convolution.convolve(x, layer)
                index += 1
            else:
                x = layer(x)  # pyright: ignore[reportOptionalCall]
                index += 1
        return x


def fusable_activation(layer: nn.Module | None) -> kernels.Activation:
    """Return the kernel's name for an activation, or "identity" if it has to be called as a module."""
    if layer is None or not is_plain(layer):
        return "identity"
    if type(layer) is nn.ReLU:
        return "relu"
    if type(layer) is nn.GELU and layer.approximate == "none":
        return "gelu"
    return "identity"


def is_plain(module: nn.Module) -> bool:
    """Return whether calling `module` runs its class's forward and nothing else: it has no hooks of its own."""
    return not (
        module._forward_hooks
        or module._forward_pre_hooks
        or module._backward_hooks
        or module._backward_pre_hooks
        or "forward" in module.__dict__
    )
