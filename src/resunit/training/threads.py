"""The threads that torch computes with: never more than the cores that this process may keep busy."""

import os
import warnings

import torch

from resunit.io.cores import available_cores


class OtherThreads(UserWarning):
    """A run is resumed with another number of threads than it began with, so its bits may differ."""


def limit_threads() -> None:
    """Compute with no more threads than there are cores, unless OMP_NUM_THREADS says how many.

    Torch takes a thread for each core of the machine, even in a container that may use only two of them. The
    threads then wait for each other, and a step takes many times longer.
    """
    if "OMP_NUM_THREADS" not in os.environ and torch.get_num_threads() > available_cores():
        torch.set_num_threads(available_cores())


def set_recorded_threads(recorded: int) -> None:
    """Compute with the number of threads that a run began with, or with all cores if there are fewer.

    Fewer threads give an OtherThreads warning, because sums may then be rounded in another order.
    """
    threads = min(recorded, available_cores())
    if threads < recorded:
        warnings.warn(
            f"this run began with {recorded} threads and goes on with {threads}, one for each core here; "
            "its last bits may differ from those of an uninterrupted run",
            OtherThreads,
            stacklevel=3,
        )
    torch.set_num_threads(threads)
