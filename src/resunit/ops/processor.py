"""What the processor can do: the one place that asks it.

A capability is asked of whoever uses it. `torch.cpu` reads what the processor can do and knows no limits;
oneDNN also respects the environment variable ONEDNN_MAX_CPU_ISA, which restricts it to older instructions.
"""

import torch


def supports_bf16(device: torch.device) -> bool:
    """Return whether `device` computes in bf16 in hardware, rather than emulating it or refusing it.

    On a CPU, oneDNN must agree to use the hardware: where it does not, torch's packed convolutions
    (`torch.ops.mkldnn`) raise an error for bf16, and all others emulate it a hundred times more slowly.
    """
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type == "cpu":
        return _cpu_has_bf16() and onednn_takes_bf16()
    return False


def onednn_takes_bf16() -> bool:
    """Return whether oneDNN is part of this torch and computes in bf16, in hardware or not, on this CPU."""
    return torch.backends.mkldnn.is_available() and torch.ops.mkldnn._is_mkldnn_bf16_supported()


def _cpu_has_bf16() -> bool:
    return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
