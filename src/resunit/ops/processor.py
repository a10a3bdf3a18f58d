"""The abilities of the processor; no other module asks for them.

Each function asks the library that will compute. `torch.cpu` reads what the processor can do; oneDNN also respects
the environment variable ONEDNN_MAX_CPU_ISA, which restricts it to older instructions.
"""

import torch
from torch import nn

FEW_CHANNELS = 8
"""The channels that fill an AVX2 register in float32."""


def supports_bf16(device: torch.device) -> bool:
    """Return whether `device` computes in bf16 in hardware, rather than emulating it or refusing it.

    On a CPU, oneDNN must agree to use the hardware: where it does not, torch's packed convolutions
    (`torch.ops.mkldnn`) raise an error for bf16, and all others emulate it a hundred times more slowly.
    """
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type == "cpu":
        in_hardware = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
        return in_hardware and onednn_takes_bf16()
    return False


def supports_tf32(device: torch.device) -> bool:
    """Return whether `device` computes in TF32: NVIDIA's GPUs do since Ampere."""
    return (
        device.type == "cuda"
        and torch.version.hip is None
        and torch.cuda.get_device_capability(device) >= (8, 0)
    )


def onednn_takes_bf16() -> bool:
    """Return whether oneDNN is part of this torch and computes in bf16, in hardware or not, on this CPU."""
    return torch.backends.mkldnn.is_available() and torch.ops.mkldnn._is_mkldnn_bf16_supported()


def is_safe_channels_last(conv: nn.Conv2d) -> bool:
    """Return whether a CPU with AVX2 alone computes the gradient of the weights of `conv`, whatever x's layout.

    The oneDNN of torch 2.14 writes beyond its memory for a strided 1x1 convolution of fewer than 8 channels if x
    is channels-last: numbers are wrong or the process ends. The answer is the same on all processors, so that a
    network has the same layers everywhere.
    """
    strided_1x1 = conv.kernel_size == (1, 1) and conv.stride != (1, 1)
    return not strided_1x1 or conv.in_channels >= FEW_CHANNELS or conv.groups > 1
