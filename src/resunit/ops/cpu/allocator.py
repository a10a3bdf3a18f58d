"""Freed memory stays with the process, because each training step takes and frees the same gigabytes."""

import torch

from resunit.ops.cpu.library import load_library


def keep_freed_memory(device: torch.device) -> None:
    """Keep the memory of freed tensors for later tensors if `device` is the CPU, as torch does on GPUs.

    malloc gives memory back to the system, so that the pages of each large tensor are cleared and mapped again,
    which takes a third of a training step; or it cuts memory into pieces, so that activation checkpointing needs
    three times what it stores. The process stays as large as its largest step. This changes the whole process, so
    the command line calls it and the library does not. Nothing changes where there are no compiled kernels.
    """
    compiled = load_library() if device.type == "cpu" else None
    if compiled is not None:
        compiled.keep_freed_memory()
