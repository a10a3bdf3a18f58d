"""A forward pass on inputs that carry gradients, refused in a sentence where it cannot be had."""

import copy
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from resunit.errors import PropagationError
from resunit.propagation.detect.watching import holds_arrays, tensors_in


@dataclass(frozen=True)
class Inputs:
    """What a network is called with: its floating tensors are copies that require gradients."""

    args: tuple[Any, ...]
    kwargs: dict[str, Any]

    @classmethod
    def of(cls, inputs: Any) -> "Inputs":
        """`inputs` is a tensor, a tuple or list of arguments, or a mapping of keyword arguments."""
        if isinstance(inputs, Mapping):
            return cls((), {name: _differentiable(value) for name, value in inputs.items()})
        args = inputs if isinstance(inputs, tuple | list) else (inputs,)
        return cls(tuple(map(_differentiable, args)), {})

    def tensors(self) -> list[Tensor]:
        return list(tensors_in((self.args, self.kwargs)))


def _differentiable(value: Any) -> Any:
    if isinstance(value, Tensor):
        # The copy of a leaf is not a leaf: it has a node in the graph, and may be changed in place.
        return value.detach().requires_grad_().clone() if value.is_floating_point() else value
    if isinstance(value, MutableMapping):
        copied = copy.copy(value)
        for name in value:
            copied[name] = _differentiable(value[name])
        return copied
    if isinstance(value, tuple | list):
        items = map(_differentiable, value)
        return type(value)(*items) if hasattr(value, "_fields") else type(value)(items)  # a named tuple's
    return value


def check(model: nn.Module, inputs: Any) -> None:
    """Raise PropagationError, with the remedy, for a model that cannot be looked into or used as it is."""
    if not isinstance(model, nn.Module):
        raise PropagationError(f"the model is {type(model).__name__}, not a torch.nn.Module")
    for path, module in model.named_modules():
        where = f"the module {path!r}" if path else "the model"
        if isinstance(module, torch._dynamo.OptimizedModule) or module._compiled_call_impl is not None:
            raise PropagationError(
                f"{where} is under torch.compile, which hides its additions; measure the model "
                "before compiling it, or what torch.compile was given (model._orig_mod)"
            )
        if isinstance(module, torch.jit.ScriptModule):
            raise PropagationError(
                f"{where} is a TorchScript module, which hides its additions; measure the original"
            )
    tensors = [*model.parameters(), *model.buffers()]
    if any(isinstance(tensor, nn.parameter.UninitializedParameter) for tensor in tensors):
        raise PropagationError("the model has lazy modules without weights; run it once on an input first")
    given = list(tensors_in(inputs if isinstance(inputs, tuple | list | Mapping) else (inputs,)))
    if torch.is_inference_mode_enabled():
        raise PropagationError("measure was called in inference mode, which keeps no graph; call it outside")
    if any(tensor.is_inference() for tensor in [*tensors, *given]):
        raise PropagationError(
            "the model or its inputs were made in inference mode and can have no gradients; "
            "make them outside, or use tensor.clone() outside"
        )
    homes = {str(tensor.device) for tensor in tensors}
    if "meta" in homes:
        raise PropagationError("the model is on the meta device and has no numbers; load its weights first")
    for tensor in given:
        if len(homes) == 1 and str(tensor.device) not in homes:
            home = homes.pop()
            raise PropagationError(
                f"the inputs are on {tensor.device}, the model on {home}; use inputs.to({home!r})"
            )


def run(model: nn.Module, inputs: Inputs) -> Any:
    """The model's output; raises PropagationError where it does not take the inputs."""
    try:
        return model(*inputs.args, **inputs.kwargs)
    except PropagationError:
        raise
    except (RuntimeError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise PropagationError(_refusal(error, inputs)) from error


def _refusal(error: Exception, inputs: Inputs) -> str:
    if holds_arrays((inputs.args, inputs.kwargs)):
        return "the model does not run on NumPy arrays; make tensors of the inputs with torch.from_numpy"
    reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    if "more than 1 value per channel" in reason:
        return (
            "batch norm in training mode cannot normalise a single value per channel; "
            "give a larger batch, or call model.eval() first"
        )
    shapes = ", ".join(f"{tuple(tensor.shape)} {str(tensor.dtype)[6:]}" for tensor in inputs.tensors())
    return f"the model does not run on inputs of shape {shapes or 'none'}: {reason}"
