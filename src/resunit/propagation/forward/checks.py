"""Checks that a network can be measured, before anything is run."""

import sys
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

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
    for tensor in given:
        if not tensor.numel():
            raise PropagationError(
                f"the inputs hold no sample: a tensor of shape {tuple(tensor.shape)}; give a batch of one or more"
            )
    _check_devices(model, tensors, given)


def _check_traceable(model: nn.Module) -> None:
    dynamo = sys.modules.get("torch._dynamo")  # Nothing is compiled where nobody imported it.
    for path, module in model.named_modules():
        where = f"the module {path!r}" if path else "the model"
        if isinstance(module, DistributedDataParallel):
            raise PropagationError(
                f"{where} is wrapped in DistributedDataParallel, which waits for the other processes; "
                "measure the network within it (model.module)"
            )
        is_compiled = dynamo is not None and isinstance(module, dynamo.OptimizedModule)
        if is_compiled or module._compiled_call_impl is not None:
            raise PropagationError(
                f"{where} is under torch.compile, which hides its additions; measure the model "
                "before compiling it, or what torch.compile was given (model._orig_mod)"
            )
        if isinstance(module, torch.jit.ScriptModule):
            raise PropagationError(
                f"{where} is a TorchScript module, which hides its additions; "
                "measure the module that it was made of"
            )


def _check_devices(model: nn.Module, tensors: list[Tensor], given: list[Tensor]) -> None:
    devices = {str(tensor.device) for tensor in tensors}
    if "meta" in devices and any(hasattr(module, "_hf_hook") for module in model.modules()):
        raise PropagationError(
            "accelerate has moved weights of the model away and brings them back layer by layer; load the "
            "model without cpu_offload or device_map, or call accelerate.hooks.remove_hook_from_submodules"
        )
    if "meta" in devices:
        raise PropagationError("the model is on the meta device and has no numbers; load its weights first")
    if len(devices) == 1:
        (device,) = devices
        for tensor in given:
            if str(tensor.device) != device:
                raise PropagationError(
                    f"the inputs are on {tensor.device}, the model on {device}; use inputs.to({device!r})"
                )
