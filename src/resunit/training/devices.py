"""Devices by name, and their free memory."""

import os

import torch

from resunit.errors import UsageError, reason_of
from resunit.io.memory import MEMORY, free_memory


def resolve_device(name: str) -> torch.device:
    """Return the device called `name`; "auto" is a GPU if there is one, else the CPU.

    Raises:
        UsageError: the device is not available.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.mps.is_available() else "cpu"
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = reason_of(error).partition(". ")[0]  # Torch adds advice for its own developers.
        raise UsageError(
            f"device {name!r} is not available here ({reason}); give auto, cpu, or another device, such as cuda:0"
        ) from error
    return device


def free_memory_of(device: torch.device) -> int | None:
    """Return the bytes that this process may still take on `device`; None where that cannot be known.

    Processes of one machine that torchrun started share its memory equally.
    """
    if device.type == "cuda":
        free = torch.cuda.mem_get_info(device)[0]
        return min(free, int(os.environ.get(MEMORY, free)))
    return free_memory() if device.type == "cpu" else None
