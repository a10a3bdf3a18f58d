"""Checks that a network can be measured, before anything is run."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from resunit.errors import PropagationError
from resunit.propagation.forward.nested import tensors_in


def check_measurable(model: nn.Module, inputs: Any) -> None:
    """Check that calls within the model can be traced, and that model and inputs can have gradients.

    Raises:
        PropagationError: something hinders the measurement; the message names it and the remedy.
    """
    if not isinstance(model, nn.Module):
        raise PropagationError(
            f"the model is {type(model).__name__}, not a torch.nn.Module; give the network itself"
        )
    _check_traceable(model)
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
    _check_devices(tensors, given)


def _check_traceable(model: nn.Module) -> None:
    for path, module in model.named_modules():
        where = f"the module {path!r}" if path else "the model"
        if isinstance(module, torch._dynamo.OptimizedModule) or module._compiled_call_impl is not None:
            raise PropagationError(
                f"{where} is under torch.compile, which hides its additions; measure the model "
                "before compiling it, or what torch.compile was given (model._orig_mod)"
            )
        if isinstance(module, torch.jit.ScriptModule):
            raise PropagationError(
                f"{where} is a TorchScript module, which hides its additions; "
                "measure the module that it was made of"
            )


def _check_devices(tensors: list[Tensor], given: list[Tensor]) -> None:
    devices = {str(tensor.device) for tensor in tensors}
    if "meta" in devices:
        raise PropagationError("the model is on the meta device and has no numbers; load its weights first")
    if len(devices) == 1:
        (device,) = devices
        for tensor in given:
            if str(tensor.device) != device:
                raise PropagationError(
                    f"the inputs are on {tensor.device}, the model on {device}; use inputs.to({device!r})"
                )
