"""Freed memory stays with the process: a training step frees and takes the same gigabytes again and again."""

import torch

from resunit.ops.cpu.library import library


def keep_freed_memory(device: torch.device) -> None:
    """Where `device` is the CPU, keep the memory of freed tensors for the next ones, as torch does on GPUs.

    Malloc gives it back to the system, so that each large tensor's pages are cleared and mapped anew: a third
    of a training step here; or it cuts it up, so that recomputation needs three times what it holds. The
    process stays as large as its largest step. Nothing changes where there are no compiled kernels.
    """
    compiled = library() if device.type == "cpu" else None
    if compiled is not None:
        compiled.keep_freed_memory()
