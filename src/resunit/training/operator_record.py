"""The operators that a piece of work calls, to find out whether it asks the host and repeats itself.

A program that is captured on a GPU is repeated with the same operators on the same memory. So it must ask for no
number on the way, and what it takes from outside must stay where it is.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch._ops import OpOverload
from torch.utils._python_dispatch import TorchDispatchMode

ASKING_TAGS = {torch.Tag.data_dependent_output, torch.Tag.dynamic_output_shape}
"""torch's tags of operators whose result the host has to know, as a number or as a shape."""


class OperatorRecord(TorchDispatchMode):
    """Records every operator of torch that is called within this context.

    Attributes:
        calls: each operator with its arguments. A number stands for itself. A tensor stands with its type, shape and
            device, and with where it comes from: the number of the result that it is, or its address if it was made
            before the context began.
        questions: the names of the operators that made the host wait for a number, a shape or a copy, or that took
            a number from it.
    """

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[object, ...]] = []
        self.questions: list[str] = []
        self.origins: dict[int, tuple[str, int]] = {}
        self.results = 0

    def __torch_dispatch__(
        self,
        func: OpOverload,
        types: object,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Record the call of `func` and return what it returns."""
        kwargs = kwargs or {}
        if func.namespace == "profiler":  # A mark that torch leaves for its profiler; nothing is computed.
            return func(*args, **kwargs)
        given = _tensors((args, kwargs))
        self.calls.append((str(func), self._describe(args), self._describe(kwargs)))
        returned = func(*args, **kwargs)
        made = _tensors(returned)
        if asks_host(func, args) or _joins_host([*given, *made]):
            self.questions.append(str(func))
        storages = {_storage(tensor) for tensor in given}
        for tensor in made:
            if _storage(tensor) not in storages:
                self.results += 1
                self.origins[_storage(tensor)] = ("result", self.results)
        return returned

    def _describe(self, value: Any) -> object:
        if isinstance(value, Tensor):
            origin = self.origins.setdefault(_storage(value), ("address", value.untyped_storage().data_ptr()))
            return value.dtype, tuple(value.shape), value.stride(), str(value.device), origin
        if isinstance(value, list | tuple):
            return tuple(self._describe(each) for each in value)
        if isinstance(value, Mapping):
            return tuple((name, self._describe(each)) for name, each in value.items())
        return str(value) if isinstance(value, torch.Generator) else value


def asks_host(func: OpOverload, args: tuple[Any, ...]) -> bool:
    """Return whether the host has to know what an operator computes from `args`."""
    if func.overloadpacket in (torch.ops.aten.index, torch.ops.aten.index_put_):
        # The places of a mask have to be counted.
        return any(places.dtype == torch.bool for places in _tensors(args[1]))
    return bool(ASKING_TAGS & set(func.tags))


def _joins_host(tensors: list[Tensor]) -> bool:
    """Return whether some of the tensors are on the CPU and others are not: they are copied, or read by the host."""
    return len({tensor.device.type == "cpu" for tensor in tensors}) > 1


def _storage(tensor: Tensor) -> int:
    return tensor.untyped_storage()._cdata


def _tensors(value: Any) -> list[Tensor]:
    """Return all tensors in nested lists, tuples and mappings."""
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, Mapping):
        value = value.values()
    elif not isinstance(value, list | tuple):
        return []
    return [tensor for each in value for tensor in _tensors(each)]


def find_obstacle(records: list[OperatorRecord]) -> str | None:
    """Return why work that was recorded several times cannot be captured; None if it asked nothing and was the same."""
    for record in records:
        if record.questions:
            return f"it asks the device for numbers ({record.questions[0]})"
    first, *others = records
    if any(other.calls != first.calls for other in others):
        return "it differs from step to step"
    return None
