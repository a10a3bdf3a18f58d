"""Freed memory stays with the process, because each training step takes and frees the same gigabytes."""

import torch

from resunit.ops.cpu.library import load_library


def keep_freed_memory(device: torch.device) -> None:
    """Keep the memory of freed tensors for later tensors if `device` is the CPU, as torch does on GPUs.

    By default malloc gives freed memory back to the system, which then clears and maps the pages of each large tensor
    again: that takes a third of a training step. Or malloc cuts memory into pieces, and activation checkpointing then
    needs three times the memory that it stores. With this call the process stays as large as its largest step.

    The whole process changes, so the command line calls this function and the library does not. Nothing changes
    where there are no compiled kernels.
    """
    compiled = load_library() if device.type == "cpu" else None
    if compiled is not None:
        compiled.keep_freed_memory()
