"""When torch's own functions are called in place of a kernel, because somebody looks at them."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch
from torch import Tensor
from torch._C._functorch import is_legacy_batchedtensor, peek_interpreter_stack
from torch.autograd import forward_ad
from torch.nn.modules.module import _has_any_global_hook
from torch.overrides import _get_current_function_mode_stack
from torch.utils._device import DeviceContext

WATCHED: ContextVar[bool | None] = ContextVar("watched", default=None)
"""Whether the pass that is repeated was watched; None in a first pass."""


def is_watched() -> bool:
    """Return whether torch's own functions have to be called, because a tool follows them.

    These are compilers and tracers, hooks of all modules, function and dispatch modes (`resunit.propagation` has
    one), function transforms such as vmap, and forward-mode differentiation; no kernel is visible to them. A
    default device is a function mode as well, but only sets devices.
    """
    if torch.compiler.is_compiling():
        return True
    repeated = WATCHED.get()
    if repeated is not None:
        return repeated
    return (
        torch.jit.is_tracing()  # pyright: ignore[reportPrivateImportUsage]
        or bool(_has_any_global_hook())  # It returns the hooks.
        or torch._C._len_torch_dispatch_stack() > 0
        or peek_interpreter_stack() is not None
        or forward_ad._current_level >= 0
        or (
            torch._C._is_torch_function_mode_enabled()
            and not all(isinstance(mode, DeviceContext) for mode in _get_current_function_mode_stack())
        )
    )


@contextmanager
def repeating(watched: bool) -> Iterator[None]:
    """Compute as in a pass that was `watched` or not, whether or not a tool follows this pass."""
    token = WATCHED.set(watched)
    try:
        yield
    finally:
        WATCHED.reset(token)


def needs_torch(dy: Tensor) -> bool:
    """Return whether torch's own functions have to compute the gradients that `dy` is handed back for.

    They have to if the caller asks for gradients of the gradient, for its change along a direction, or for many
    gradients at once.
    """
    return torch.is_grad_enabled() or is_watched() or is_legacy_batchedtensor(dy)
