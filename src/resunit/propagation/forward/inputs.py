"""The inputs of a network as tensors that require gradients, and the forward pass on them."""

import copy
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from resunit.errors import PropagationError, reason_of
from resunit.propagation.forward.nested import holds_numpy_arrays
from resunit.propagation.forward.snapshot import tensors_within


@dataclass(frozen=True)
class Inputs:
    """The arguments of a network; their floating-point tensors are copies that require gradients."""

    args: tuple[Any, ...]
    kwargs: dict[str, Any]

    @classmethod
    def of(cls, inputs: Any) -> "Inputs":
        """Return the arguments that `inputs` stands for.

        Args:
            inputs: a tensor, a tuple or list of arguments, or a mapping of keyword arguments.
        """
        if isinstance(inputs, Mapping):
            return cls((), {name: _copy_differentiable(value) for name, value in inputs.items()})
        args = inputs if isinstance(inputs, tuple | list) else (inputs,)
        return cls(tuple(map(_copy_differentiable, args)), {})

    def tensors(self) -> list[Tensor]:
        """Return all tensors among the arguments, those within containers and objects as well."""
        return tensors_within([self.args, self.kwargs])


def _copy_differentiable(value: Any) -> Any:
    """Return a copy in which floating-point tensors require gradients; nothing is shared with the original."""
    tensors: dict[int, Any] = {}
    for tensor in tensors_within([value]):
        tensors[id(tensor)] = _copy_tensor(tensor)
    try:
        return copy.deepcopy(value, tensors)
    except (TypeError, ValueError, RuntimeError, AttributeError, NotImplementedError):
        return _copy(value, tensors)  # It holds something that cannot be copied, such as a lock or a file.


def _copy_tensor(tensor: Tensor) -> Tensor:
    # The copy of a leaf is not a leaf: it has a node in the graph, and may be changed in place.
    leaf = tensor.detach()
    return leaf.requires_grad_().clone() if tensor.is_floating_point() else leaf.clone()


def _copy(value: Any, tensors: dict[int, Any]) -> Any:
    if isinstance(value, Tensor):
        return tensors[id(value)]
    if isinstance(value, MutableMapping):
        copied = copy.copy(value)
        for name in value:
            copied[name] = _copy(value[name], tensors)
        return copied
    if isinstance(value, tuple | list):
        items = [_copy(item, tensors) for item in value]
        is_named_tuple = hasattr(value, "_fields")
        return type(value)(*items) if is_named_tuple else type(value)(items)
    return value


def run_forward(model: nn.Module, inputs: Inputs) -> Any:
    """Return the output of the model.

    Raises:
        PropagationError: the model does not run on these inputs.
    """
    try:
        return model(*inputs.args, **inputs.kwargs)
    except PropagationError:
        raise
    except (RuntimeError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise PropagationError(_explain(error, inputs)) from error


def _explain(error: Exception, inputs: Inputs) -> str:
    if holds_numpy_arrays((inputs.args, inputs.kwargs)):
        return "the model does not run on NumPy arrays; make tensors of the inputs with torch.from_numpy"
    reason = reason_of(error)
    if "more than 1 value per channel" in reason:  # A plain ValueError of torch; a test meets it.
        return (
            "batch norm in training mode cannot normalise a single value per channel; "
            "give a larger batch, or call model.eval() first"
        )
    shapes = ", ".join(f"{tuple(tensor.shape)} {str(tensor.dtype)[6:]}" for tensor in inputs.tensors())
    return (
        f"the model does not run on inputs of shape {shapes or 'none'}: {reason}; "
        "give inputs that the model's forward() takes"
    )
