"""What torchrun, or a cluster, tells this process about the group of processes that it belongs to.

Nothing here imports torch, so that a wrong environment is told at once.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from resunit.errors import UsageError

MEETING_POINT = ("MASTER_ADDR", "MASTER_PORT")


@dataclass(frozen=True)
class Launch:
    """The place of this process among the processes that were started together."""

    rank: int
    world_size: int

    @property
    def is_main(self) -> bool:
        """Whether this is the process that writes files and shows progress: rank 0."""
        return self.rank == 0


def read_launch() -> Launch:
    """Return the rank and the world size that the environment gives; a process that was started alone is rank 0.

    Raises:
        UsageError: the variables do not fit together, as where a cluster has left some of them.
    """
    world_size = _read_number("WORLD_SIZE", 1)
    if world_size <= 1:
        return Launch(0, 1)
    rank = _read_number("RANK", None)
    if not 0 <= rank < world_size:
        raise UsageError(
            f"RANK is {rank} and WORLD_SIZE is {world_size}; ranks go from 0 to {world_size - 1}"
        )
    missing = [name for name in MEETING_POINT if not os.environ.get(name)]
    if missing:
        raise UsageError(
            f"RANK is {rank} and WORLD_SIZE is {world_size} without {' and '.join(missing)}: start the processes "
            "with torchrun, or unset RANK and WORLD_SIZE to train in one process"
        )
    return Launch(rank, world_size)


def read_local_rank(devices: int) -> int:
    """Return the number of this process on its machine, which is that of its GPU.

    Args:
        devices: the number of GPUs of the machine.

    Raises:
        UsageError: the number is not set, or there are fewer GPUs.
    """
    local_rank = _read_number("LOCAL_RANK", None)
    if not 0 <= local_rank < devices:
        raise UsageError(
            f"LOCAL_RANK is {local_rank}, and this machine has {devices} GPUs; start as many processes as it has GPUs"
        )
    return local_rank


def find_torchrun() -> int | None:
    """Return the number of the torchrun process that started this one; None for a process started otherwise."""
    return os.getppid() if "TORCHELASTIC_RUN_ID" in os.environ else None


def count_restarts() -> int:
    """Return how often torchrun has started this group of processes again, because one of them had failed."""
    return _read_number("TORCHELASTIC_RESTART_COUNT", 0)


def check_can_be_found_again(out: Path | None) -> None:
    """Raise UsageError for a run without a given folder if torchrun may have to continue it in new processes."""
    restarts = _read_number("TORCHELASTIC_MAX_RESTARTS", 0)
    if out is None and restarts > 0:
        raise UsageError(
            f"torchrun restarts this group up to {restarts} times, and continues the run of a given folder; "
            "give --out too"
        )


def _read_number(name: str, default: int | None) -> int:
    text = os.environ.get(name) or default
    if text is None:
        raise UsageError(
            f"WORLD_SIZE is {os.environ['WORLD_SIZE']}, but {name} is not set: start the processes with torchrun, "
            "or unset WORLD_SIZE to train in one process"
        )
    try:
        return int(text)
    except ValueError:
        raise UsageError(
            f"{name} is {text!r}, which is no number; start the processes with torchrun"
        ) from None
