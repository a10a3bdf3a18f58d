"""Writing out functions that add and do more, such as addmm and lerp, so that each step is a call of its own.

What a function adds is then always the sum of two values that other calls have made.
"""

import inspect
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch._C import DisableTorchFunction

Compute = Callable[[], Any]


def written_out(function: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Compute | None:
    """Return a function that computes a call step by step, or None if the call is left as it is.

    The sum is made by `torch.add`, or by `Tensor.add_` if the call works in place. In exact arithmetic the result
    is that of the call.

    Args:
        function: the name of the torch function.
        args: its positional arguments.
        kwargs: its named arguments.
    """
    write = WRITTEN_OUT.get(function.strip("_") if function.startswith("__") else function.removesuffix("_"))
    in_place = function in ("__iadd__", "__isub__") or (
        function.endswith("_") and not function.endswith("__")
    )
    if write is None:
        return None
    try:
        bound = inspect.signature(write).bind(*args, in_place=in_place, **kwargs)
        return write(*bound.args, **bound.kwargs)
    except TypeError:  # This is another function of the same name, or it is given a tensor to write into.
        return None


def _are_floating(*values: Any) -> bool:
    return all(isinstance(value, Tensor) and value.is_floating_point() for value in values)


def _join(input: Tensor, other: Tensor, in_place: bool) -> Tensor:
    return input.add_(other) if in_place else torch.add(input, other)


def _scaled(tensor: Tensor, factor: float) -> Tensor:
    return tensor if factor == 1 else factor * tensor


# These functions have the signatures of the torch functions, and `in_place`. They return None for a call that
# does not add two floating-point tensors, or whose sum is plain.


def _add(input: Any, other: Any, *, alpha: float = 1, in_place: bool) -> Compute | None:
    if alpha == 1 or not _are_floating(input, other):
        return None
    return lambda: _join(input, alpha * other, in_place)


def _sub(input: Any, other: Any, *, alpha: float = 1, in_place: bool) -> Compute | None:
    if not _are_floating(input, other):
        return None
    return lambda: _join(input, -_scaled(other, alpha), in_place)


def _rsub(input: Any, other: Any, *, alpha: float = 1, in_place: bool) -> Compute | None:
    del in_place
    return _sub(other, input, alpha=alpha, in_place=False)


def _plus_product(product: Callable[[Tensor, Tensor], Tensor]) -> Callable[..., Compute | None]:
    """Return what writes out beta * input + alpha * product(a, b)."""

    def write(
        input: Any, *factors: Any, beta: float = 1, alpha: float = 1, in_place: bool, **named: Any
    ) -> Compute | None:
        a, b = _two(factors, named)
        is_bias = isinstance(input, nn.Parameter)  # of a linear layer
        if is_bias or beta == 0 or not _are_floating(input, a, b):
            return None

        def compute() -> Tensor:
            of_both = _scaled(product(a, b), alpha)
            if in_place:
                return (input.mul_(beta) if beta != 1 else input).add_(of_both)
            return torch.add(
                _scaled(input, beta).to(of_both.dtype), of_both
            )  # Autocast casts all three alike.

        return compute

    return write


def _plus_elementwise(combine: Callable[[Tensor, Tensor], Tensor]) -> Callable[..., Compute | None]:
    """Return what writes out input + value * combine(a, b)."""

    def write(input: Any, *factors: Any, value: float = 1, in_place: bool, **named: Any) -> Compute | None:
        a, b = _two(factors, named)
        if not _are_floating(input, a, b):
            return None
        return lambda: _join(input, _scaled(combine(a, b), value), in_place)

    return write


def _two(factors: tuple[Any, ...], named: dict[str, Any]) -> list[Any]:
    both = [*factors, *named.values()]
    if len(both) != 2:
        raise TypeError
    return both


def _lerp(input: Any, end: Any, weight: Any, *, in_place: bool) -> Compute | None:
    if not _are_floating(input, end):
        return None

    def compute() -> Tensor:
        moved = weight * end
        return input.mul_(1 - weight).add_(moved) if in_place else torch.add((1 - weight) * input, moved)

    return compute


def _index_add(
    input: Any, dim: int, index: Any, source: Any, *, alpha: float = 1, in_place: bool
) -> Compute | None:
    return _into_places(input, source, in_place, lambda zeros, s: zeros.index_add(dim, index, s, alpha=alpha))


def _scatter_add(input: Any, dim: int, index: Any, src: Any, *, in_place: bool) -> Compute | None:
    return _into_places(input, src, in_place, lambda zeros, s: zeros.scatter_add(dim, index, s))


def _scatter_reduce(
    input: Any, dim: int, index: Any, src: Any, reduce: str, *, include_self: bool = True, in_place: bool
) -> Compute | None:
    is_sum = reduce == "sum" and include_self
    return _scatter_add(input, dim, index, src, in_place=in_place) if is_sum else None


def _index_put(
    input: Any, indices: Any, values: Any, accumulate: bool = False, *, in_place: bool
) -> Compute | None:
    if not accumulate:
        return None
    return _into_places(
        input, values, in_place, lambda zeros, s: zeros.index_put(indices, s, accumulate=True)
    )


def _put(input: Any, index: Any, source: Any, accumulate: bool = False, *, in_place: bool) -> Compute | None:
    if not accumulate:
        return None
    return _into_places(input, source, in_place, lambda zeros, s: zeros.put(index, s, accumulate=True))


def _into_places(
    input: Any, source: Any, in_place: bool, place: Callable[[Tensor, Tensor], Tensor]
) -> Compute | None:
    if not _are_floating(input, source):
        return None

    def compute() -> Tensor:
        if _leaves_places(place, input, source):
            return _join(input, source, in_place)
        return _join(input, place(torch.zeros_like(input, requires_grad=False), source), in_place)

    return compute


def _leaves_places(place: Callable[[Tensor, Tensor], Tensor], input: Tensor, source: Tensor) -> bool:
    """Return whether each element of the source is added to the one in its own place."""
    if source.shape != input.shape:
        return False
    dtype = torch.float32 if input.device.type == "mps" else torch.float64
    with torch.no_grad(), DisableTorchFunction():
        numbers = torch.arange(1, input.numel() + 1, dtype=dtype, device=input.device).view(input.shape)
        try:
            return torch.equal(place(torch.zeros_like(numbers), numbers), numbers)
        except RuntimeError:  # Within torch.vmap nobody knows where an index points.
            return False


def _for_each(name: str) -> Callable[..., Compute]:
    """Return what writes out a function that does the same with each tensor of a list."""

    def write(input: Any, *others: Any, in_place: bool, scalars: Any = None, **named: Any) -> Compute:
        if name in ("addcmul", "addcdiv"):
            *factors, scalars = others if len(others) == 3 else (*others, scalars)
            others, named = tuple(factors), named if scalars is None else {**named, "value": scalars}

        def of(values: Any, index: int) -> Any:
            return values[index] if isinstance(values, list | tuple) else values

        def compute() -> tuple[Tensor, ...] | None:
            method = name + "_" * in_place
            results = tuple(
                getattr(tensor, method)(
                    *(of(values, index) for values in others),
                    **{option: of(values, index) for option, values in named.items()},
                )
                for index, tensor in enumerate(input)
            )
            return None if in_place else results

        return compute

    return write


WRITTEN_OUT: dict[str, Callable[..., Compute | None]] = {
    "add": _add,
    "sub": _sub,
    "subtract": _sub,
    "isub": _sub,
    "rsub": _rsub,
    "addmm": _plus_product(torch.matmul),
    "baddbmm": _plus_product(torch.matmul),
    "addmv": _plus_product(torch.matmul),
    "addbmm": _plus_product(lambda a, b: torch.matmul(a, b).sum(0)),
    "addr": _plus_product(torch.outer),
    "addcdiv": _plus_elementwise(torch.div),
    "addcmul": _plus_elementwise(torch.mul),
    "lerp": _lerp,
    "index_add": _index_add,
    "scatter_add": _scatter_add,
    "scatter_reduce": _scatter_reduce,
    "index_put": _index_put,
    "put": _put,
}
WRITTEN_OUT |= {f"_foreach_{name}": _for_each(name) for name in ("add", "sub", "addcmul", "addcdiv", "lerp")}
