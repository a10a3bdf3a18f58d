"""The cores that this process may keep busy: the one place that decides numbers of threads and processes."""

import math
import os
from pathlib import Path

from resunit.io.control_groups import MEMBERSHIP, MOUNTED_AT, control_groups


def available_cores() -> int:
    """Return how many cores this process may keep busy, at least 1.

    This is the number of cores that the affinity of the process allows, or the quota of a container or a batch
    system if the quota is less.
    """
    has_affinity = hasattr(os, "sched_getaffinity")
    allowed = len(os.sched_getaffinity(0)) if has_affinity else os.cpu_count() or 1
    return max(1, math.floor(min(allowed, cpu_quota())))


def cpu_quota(membership: Path = MEMBERSHIP, mounted_at: Path = MOUNTED_AT) -> float:
    """Return the processor time per time that the control groups allow, in cores; infinity without a limit.

    The arguments are those of `control_groups`.
    """
    groups = control_groups("cpu", membership, mounted_at)
    return min(map(_quota_of, groups), default=math.inf)


def _quota_of(group: Path) -> float:
    """Return the quota of one group: version 2 has one file of two words, and version 1 has two files."""
    try:
        if (group / "cpu.max").exists():
            quota, period = (group / "cpu.max").read_text().split()
        else:
            quota, period = ((group / f"cpu.cfs_{name}_us").read_text() for name in ("quota", "period"))
        microseconds = math.inf if quota == "max" else float(quota)
        # Version 1 writes -1 where there is no quota.
        return microseconds / float(period) if microseconds > 0 else math.inf
    except (OSError, ValueError, ZeroDivisionError):
        return math.inf
