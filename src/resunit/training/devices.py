"""Devices by name, and their free memory."""

import os
from pathlib import Path

import psutil
import torch

from resunit.errors import UsageError

MEMORY = "RESUNIT_MEMORY"  # The environment variable that gives one run among several its share, in bytes.


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
        raise UsageError(f"device {name!r} is not available here: {str(error).splitlines()[0]}") from error
    return device


def free_memory(device: torch.device) -> int | None:
    """Return the bytes that this process may still take on `device`; None where that cannot be known.

    Processes of one machine that torchrun started share its memory equally.
    """
    free = _free_memory(device)
    return free if free is None else min(free, int(os.environ.get(MEMORY, free)))


def _free_memory(device: torch.device) -> int | None:
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    if device.type != "cpu":
        return None
    free = psutil.virtual_memory().available
    if (in_container := free_in_container(Path("/sys/fs/cgroup"))) is not None:
        free = min(free, in_container)
    return free // int(os.environ.get("LOCAL_WORLD_SIZE", 1))


def free_in_container(group: Path) -> int | None:
    """Return the bytes below the memory limit of a control group; None where it has no limit.

    The kernel counts cached files as used, but it gives up the inactive ones when asked for memory.

    Args:
        group: the control group's folder.
    """
    limit = group / "memory.max"
    if not limit.exists() or (most := limit.read_text().strip()) == "max":
        return None
    counts = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
    used = int((group / "memory.current").read_text()) - int(counts.get("inactive_file", 0))
    return int(most) - used
