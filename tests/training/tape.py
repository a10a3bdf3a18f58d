"""A tape of operators, which computes them again on the same tensors, as a captured CUDA graph does on a GPU."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch._ops import OpOverload

from resunit.training.operator_record import OperatorRecord


class Tape(OperatorRecord):
    """Keeps each operator with its tensors. A result stands at one address, however often it is computed."""

    def __init__(self) -> None:
        super().__init__()
        self.kept: list[tuple[OpOverload, tuple[Any, ...], Mapping[str, Any], Any]] = []

    def __torch_dispatch__(
        self,
        func: OpOverload,
        types: object,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        returned = super().__torch_dispatch__(func, types, args, kwargs)
        if func.namespace != "profiler":
            self.kept.append((func, args, kwargs or {}, returned))
        return returned

    def replay(self) -> None:
        with torch.no_grad():
            for func, args, kwargs, returned in self.kept:
                again = func(*args, **kwargs)
                for old, new in zip(results(returned), results(again), strict=True):
                    if old.untyped_storage().data_ptr() != new.untyped_storage().data_ptr():
                        old.copy_(new)


def results(returned: Any) -> list[Tensor]:
    if isinstance(returned, Tensor):
        return [returned]
    if isinstance(returned, list | tuple):
        return [tensor for each in returned for tensor in results(each)]
    return []
