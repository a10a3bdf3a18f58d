"""E: the scalar whose gradient is followed."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from resunit.errors import PropagationError
from resunit.propagation.detect.watching import holds_arrays, tensors_in

Loss = Callable[[Any, Any], Tensor]
NOT_ARRAYS = "the loss does not take NumPy arrays; make tensors of the targets with torch.from_numpy"


def loss_of(output: Any, targets: Any, loss: Loss | None) -> Tensor:
    """`loss(output, targets)`; by default cross-entropy for class indices, else the output's mean square.

    For structured outputs that is: of `logits`, else of the last hidden state, else of the first tensor.
    Raises PropagationError for a loss that is no scalar, and for targets that need a loss of their own.
    """
    if loss is not None:
        try:
            value = loss(output, targets)
        except (TypeError, AttributeError) as error:
            if not holds_arrays(targets):
                raise
            raise PropagationError(NOT_ARRAYS) from error
        if not isinstance(value, Tensor) or value.numel() != 1:
            shape = (
                f"a tensor of shape {tuple(value.shape)}"
                if isinstance(value, Tensor)
                else type(value).__name__
            )
            raise PropagationError(f"the loss is {shape}, not a scalar; let it end in .mean() or .sum()")
        return value.reshape(())
    main = main_tensor(output)
    main = main.to(torch.promote_types(main.dtype, torch.float32))
    if targets is None:
        return main.square().mean()
    if holds_arrays(targets):
        raise PropagationError(NOT_ARRAYS)
    if not isinstance(targets, Tensor) or targets.is_floating_point():
        raise PropagationError(
            "only class indices, a tensor of integers, have a default loss; "
            "give loss=, a function of output and targets"
        )
    if targets.device != main.device:
        raise PropagationError(
            f"the targets are on {targets.device}, the model's output on {main.device}; "
            f"use targets.to({str(main.device)!r})"
        )
    if targets.shape == main.shape[:-1]:
        return _cross_entropy(main.flatten(0, -2), targets.flatten())
    if main.ndim > 2 and targets.shape == (main.shape[0], *main.shape[2:]):
        return _cross_entropy(main, targets)
    raise PropagationError(
        f"targets of shape {tuple(targets.shape)} do not fit outputs of shape {tuple(main.shape)}; "
        "class indices have the outputs' shape without the classes"
    )


def _cross_entropy(scores: Tensor, classes: Tensor) -> Tensor:
    try:
        return functional.cross_entropy(scores, classes.long())
    except (IndexError, RuntimeError) as error:
        raise PropagationError(
            f"targets from {int(classes.min())} to {int(classes.max())} do not fit outputs for "
            f"{scores.shape[1]} classes, 0 to {scores.shape[1] - 1}"
        ) from error


def main_tensor(output: Any) -> Tensor:
    """The tensor of a structured output that stands for it; raises PropagationError if there is none."""
    for name in ("logits", "last_hidden_state"):
        value = output.get(name) if hasattr(output, "get") else getattr(output, name, None)
        if isinstance(value, Tensor):
            return value
    for tensor in tensors_in(output):
        if tensor.is_floating_point():
            return tensor
    raise PropagationError(f"the model returns {type(output).__name__} without a floating tensor; give loss=")


def check_differentiable(loss: Tensor) -> None:
    if not loss.requires_grad:
        raise PropagationError(
            "no gradient reaches the loss: the forward pass detaches its result or runs under torch.no_grad()"
        )
    if loss.device.type == "meta":
        raise PropagationError("the model is on the meta device and has no numbers; load its weights first")
