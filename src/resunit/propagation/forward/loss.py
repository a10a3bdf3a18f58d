"""E, the scalar loss whose gradient is measured."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from resunit.errors import PropagationError
from resunit.propagation.forward.nested import holds_numpy_arrays, tensors_in

Loss = Callable[[Any, Any], Tensor]
LARGEST_FACTOR = 2.0**15  # by which a loss in float16 may be multiplied
TARGETS_ARE_ARRAYS = "the loss does not take NumPy arrays; make tensors of the targets with torch.from_numpy"


def compute_loss(output: Any, targets: Any, loss: Loss | None) -> Tensor:
    """Return E, a 0-dimensional tensor, of the output of a network.

    Without `loss`, E is the cross-entropy if `targets` are class indices, and the mean square of the output
    if there are no targets. Of a structured output that is `logits`, else `last_hidden_state`, else the first
    floating-point tensor.

    Args:
        output: what the network returned.
        targets: class indices, or whatever `loss` takes.
        loss: a function of output and targets that returns a scalar tensor.

    Raises:
        PropagationError: the loss is no scalar, or the targets need a loss of their own.
    """
    if loss is not None:
        return _own_loss(output, targets, loss)
    scores = _main_tensor(output)
    scores = scores.to(torch.promote_types(scores.dtype, torch.float32))
    if targets is None:
        return scores.square().mean()
    _check_class_indices(targets, scores.device)
    if targets.shape == scores.shape[:-1]:
        return _cross_entropy(scores.flatten(0, -2), targets.flatten())
    if scores.ndim > 2 and targets.shape == (scores.shape[0], *scores.shape[2:]):
        return _cross_entropy(scores, targets)
    raise PropagationError(
        f"targets of shape {tuple(targets.shape)} do not fit outputs of shape {tuple(scores.shape)}; "
        "give class indices in the shape of the outputs without their dimension of classes"
    )


def _own_loss(output: Any, targets: Any, loss: Loss) -> Tensor:
    try:
        value = loss(output, targets)
    except (TypeError, AttributeError) as error:
        if not holds_numpy_arrays(targets):
            raise
        raise PropagationError(TARGETS_ARE_ARRAYS) from error
    if not isinstance(value, Tensor):
        raise PropagationError(f"the loss is {type(value).__name__}, not a scalar tensor; return a tensor")
    if value.numel() != 1:
        raise PropagationError(
            f"the loss is a tensor of shape {tuple(value.shape)}, not a scalar; "
            "let it end in .mean() or .sum()"
        )
    return value.reshape(())


def _check_class_indices(targets: Any, device: torch.device) -> None:
    if holds_numpy_arrays(targets):
        raise PropagationError(TARGETS_ARE_ARRAYS)
    if not isinstance(targets, Tensor) or targets.is_floating_point():
        raise PropagationError(
            "only class indices, a tensor of integers, have a default loss; "
            "give loss=, a function of output and targets"
        )
    if targets.device != device:
        raise PropagationError(
            f"the targets are on {targets.device}, the model's output on {device}; "
            f"use targets.to({str(device)!r})"
        )


def _cross_entropy(scores: Tensor, classes: Tensor) -> Tensor:
    try:
        return functional.cross_entropy(scores, classes.long())
    except (IndexError, RuntimeError) as error:
        raise PropagationError(
            f"targets from {int(classes.min())} to {int(classes.max())} do not fit outputs for "
            f"{scores.shape[1]} classes, 0 to {scores.shape[1] - 1}; give targets within that range"
        ) from error


def _main_tensor(output: Any) -> Tensor:
    """Return the tensor that a structured output is judged by."""
    for name in ("logits", "last_hidden_state"):
        value = output.get(name) if hasattr(output, "get") else getattr(output, name, None)
        if isinstance(value, Tensor):
            return value
    for tensor in tensors_in(output):
        if tensor.is_floating_point():
            return tensor
    raise PropagationError(f"the model returns {type(output).__name__} without a floating tensor; give loss=")


def scale_for_half_precision(loss: Tensor, output: Any) -> Tensor:
    """Return E times a power of two with which gradients in float16 neither vanish nor overflow.

    The mean over many outputs has gradients below the smallest number of float16. All measures are ratios of
    gradients, so the factor has no part in them. Other precisions are left as they are.

    Args:
        loss: E.
        output: what the network returned.
    """
    outputs = [tensor for tensor in tensors_in(output) if tensor.requires_grad]
    if not any(tensor.dtype == torch.float16 for tensor in outputs):
        return loss
    gradients = torch.autograd.grad(loss, outputs, retain_graph=True, allow_unused=True)
    peak = max((float(gradient.abs().max()) for gradient in gradients if gradient is not None), default=0.0)
    if peak == 0 or not math.isfinite(peak):
        # Everything has vanished already: the largest factor that the loss itself can bear is tried.
        return loss * LARGEST_FACTOR
    return loss * 2.0 ** min(math.log2(LARGEST_FACTOR), math.floor(-math.log2(peak)))


def check_differentiable(loss: Tensor) -> None:
    """Check that gradients reach the loss.

    Raises:
        PropagationError: the loss depends on no tensor that requires gradients.
    """
    if not loss.requires_grad:
        raise PropagationError(
            "no gradient reaches the loss, because the forward pass detaches its result or runs under "
            "torch.no_grad(); measure the model without them"
        )
    if loss.device.type == "meta":
        raise PropagationError("the model is on the meta device and has no numbers; load its weights first")
