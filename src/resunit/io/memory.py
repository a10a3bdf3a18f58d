"""The memory that this process may still take, within the limits of the machine, its container and itself."""

import os
import resource
from collections.abc import Iterator
from pathlib import Path

import psutil

from resunit.io.control_groups import MEMBERSHIP, MOUNTED_AT, control_groups

MEMORY = "RESUNIT_MEMORY"  # The environment variable that gives one run among several its share, in bytes.


def free_memory() -> int:
    """Return the bytes that this process may still take.

    Processes of one machine that torchrun started share its memory equally.
    """
    free = [psutil.virtual_memory().available, *_free_in_groups(), *_free_address_space()]
    share = max(0, min(free)) // int(os.environ.get("LOCAL_WORLD_SIZE", 1))
    return min(share, int(os.environ.get(MEMORY, share)))


def _free_in_groups() -> Iterator[int]:
    for group in control_groups("memory", MEMBERSHIP, MOUNTED_AT):
        if (free := free_in_group(group)) is not None:
            yield free


def _free_address_space() -> Iterator[int]:
    """Yield what `ulimit -v` leaves, if it limits this process."""
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    if limit != resource.RLIM_INFINITY:
        yield limit - psutil.Process().memory_info().vms


def free_in_group(group: Path) -> int | None:
    """Return the bytes below the memory limit of a control group, of version 1 or 2; None where it has no limit.

    The kernel counts cached files as used, but it gives up the inactive ones when asked for memory.
    """
    version_2 = ("memory.max", "memory.current", "inactive_file")
    version_1 = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
    for limit, usage, inactive in (version_2, version_1):
        try:
            most = (group / limit).read_text().strip()
            if most == "max":
                return None
            counts = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
            return int(most) - int((group / usage).read_text()) + int(counts.get(inactive, 0))
        except (OSError, ValueError):
            continue  # The group is of the other version, or the kernel does not show its limit.
    return None
