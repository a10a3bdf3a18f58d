"""The state of the calling process, which belongs to another program: a call to resunit leaves it as it was."""

import os
import random
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any

import numpy as np
import torch
from torch import distributed

TRAINING = threading.RLock()


@contextmanager
def one_training_at_a_time() -> Iterator[None]:
    """Wait until no other thread of this process trains, because random numbers and settings belong to the process.

    A thread that trains may train within that training, for instance in a function that gets its log lines.
    """
    with TRAINING:
        yield


@contextmanager
def isolated_process_state() -> Iterator[None]:
    """Compute with resunit's own settings of this process, and restore the host program's settings at the end.

    Inside, gradients are recorded, inference mode and autocast are off, and new tensors are float32 on the
    CPU. At the end, after an exception too, these are as before: the random generators of torch, NumPy and
    Python, the number of threads, the default dtype and device, the grad mode, autocast, the current GPU, the
    environment variables and `sys.path`. A process group that was opened inside is closed, and no other.

    As a decorator, it does so for each call of a function.
    """
    with ExitStack() as stack:
        stack.enter_context(isolated_random_numbers())
        for restore in (
            _restore_threads_and_dtype(),
            _restore_gpu(),
            _restore_paths_and_variables(),
            _restore_process_group(),
        ):
            stack.callback(restore)
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.enable_grad())
        for context in _without_autocast_and_default_device():
            stack.enter_context(context)
        torch.set_default_dtype(torch.float32)
        yield


@contextmanager
def isolated_random_numbers() -> Iterator[None]:
    """Restore the random generators of torch, NumPy and Python at the end, after an exception too."""
    python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002
    cpu = torch.get_rng_state()
    gpus = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else None
    mps = torch.mps.get_rng_state() if torch.backends.mps.is_available() else None
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)  # noqa: NPY002
        torch.set_rng_state(cpu)
        if gpus is not None:
            torch.cuda.set_rng_state_all(gpus)
        elif torch.cuda.is_available():
            # The generator of a GPU that was not used yet has the seed of the CPU, and reading it would
            # initialise CUDA.
            torch.cuda.manual_seed_all(torch.initial_seed())
        if mps is not None:
            torch.mps.set_rng_state(mps)


def _without_autocast_and_default_device() -> Iterator[AbstractContextManager[Any]]:
    """Yield the contexts that switch off the host's autocast and default device, where it has set one."""
    for device in ("cpu", "cuda"):
        if torch.is_autocast_enabled(device):
            yield torch.autocast(device, enabled=False)
    if torch.get_default_device().type != "cpu":
        yield torch.device("cpu")


Restore = Callable[[], None]


def _restore_threads_and_dtype() -> Restore:
    """Return a function that sets the number of threads and the default dtype to the present ones."""
    threads, dtype = torch.get_num_threads(), torch.get_default_dtype()

    def restore() -> None:
        if torch.get_num_threads() != threads:
            torch.set_num_threads(threads)
        torch.set_default_dtype(dtype)

    return restore


def _restore_gpu() -> Restore:
    """Return a function that makes the present GPU the current one again."""
    current = torch.cuda.current_device() if torch.cuda.is_initialized() else 0

    def restore() -> None:
        if torch.cuda.is_initialized():
            torch.cuda.set_device(current)

    return restore


def _restore_paths_and_variables() -> Restore:
    """Return a function that sets `sys.path` and the environment variables to the present ones."""
    path, variables = list(sys.path), dict(os.environ)

    def restore() -> None:
        sys.path[:] = path
        for name in os.environ.keys() - variables.keys():
            del os.environ[name]
        for name, value in variables.items():
            if os.environ.get(name) != value:
                os.environ[name] = value

    return restore


def _restore_process_group() -> Restore:
    """Return a function that closes the process group of torch.distributed if there is none at present."""
    was_open = _is_in_process_group()

    def restore() -> None:
        if not was_open and _is_in_process_group():
            distributed.destroy_process_group()

    return restore


def _is_in_process_group() -> bool:
    return distributed.is_available() and distributed.is_initialized()
