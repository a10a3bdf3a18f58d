"""Tracing the calls of torch functions in a forward pass, above autograd, with the module that makes them."""

from collections import Counter
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch._C import (
    DisableTorchFunction,
)  # It also suspends the tracer, so that our own calls are not traced.
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_map
from torch.utils.hooks import RemovableHandle

from resunit.propagation.forward.differences import Differences, ProductSite
from resunit.propagation.forward.written_out import Compute, written_out


class CallSite(NamedTuple):
    """One call in a forward pass, identified in the same way in every pass.

    Calls are counted by the name of the function, so that a call keeps its site if a module calls other
    functions before it in some passes only, for instance to fill a cache.

    Attributes:
        module: the module that calls, a path as in `named_modules`.
        module_call: how many times the pass had called this module before.
        function: the name of the torch function; "input" stands for the arguments of the module, and
            "output" for its result.
        occurrence: how many times this call of the module had called the function before.
    """

    module: str
    module_call: int
    function: str
    occurrence: int


OnCall = Callable[[CallSite, Callable[..., Any], tuple[Any, ...], dict[str, Any]], Any]
OnModuleBoundary = Callable[[CallSite, Any], None]


@dataclass
class _ModuleCall:
    """A call of a module that has not returned yet."""

    module: str
    number: int
    functions: Counter[str] = field(default_factory=Counter)


class CallTracer(TorchFunctionMode):
    """Passes each call of a torch function, and what enters and leaves each module, to two functions.

    Functions such as addmm, and products with differences, are written out: their steps are calls of their own.

    A custom `torch.autograd.Function` is no torch function: its result is seen where a module returns it.
    The hooks are on the modules only within the `with` statement.

    Args:
        model: the network whose forward pass is traced.
        on_call: it is given the call site, the function and its arguments; it calls the function and returns
            the result.
        on_module_boundary: it is given the call site and the arguments or the result of a module.
        begins_at: the calls whose results have no gradients by themselves and are given some.
        expanded: the products with differences that are written out too.

    Attributes:
        differences: the differences of the last pass, and the products with them.
    """

    def __init__(
        self,
        model: nn.Module,
        on_call: OnCall,
        on_module_boundary: OnModuleBoundary,
        begins_at: Collection[CallSite] = (),
        expanded: Collection[ProductSite] = (),
    ):
        super().__init__()
        self._expanded = expanded
        self.differences = Differences(expanded)
        self._begins_at = begins_at
        self._model = model
        self._on_call = on_call
        self._on_module_boundary = on_module_boundary
        self._is_step = False  # whether the calls are steps of a function that is written out

    def __enter__(self) -> "CallTracer":
        self._module_calls: Counter[str] = Counter()
        self._stack = [_ModuleCall("", -1)]
        self.differences = Differences(self._expanded)
        self._is_expanding = False
        self._handles = list(self._hooks())
        return super().__enter__()

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)
        for handle in self._handles:
            handle.remove()

    def _hooks(self) -> Iterator[RemovableHandle]:
        for path, module in self._model.named_modules():
            yield module.register_forward_pre_hook(self._enter(path), with_kwargs=True)
            yield module.register_forward_hook(self._leave, always_call=True)

    def _enter(self, path: str) -> Callable[..., None]:
        def enter(_module: nn.Module, args: Any, kwargs: Any) -> None:
            call = _ModuleCall(path, self._module_calls[path])
            self._module_calls[path] += 1
            self._stack.append(call)
            with DisableTorchFunction():
                self._on_module_boundary(CallSite(path, call.number, "input", 0), (args, kwargs))

        return enter

    def _leave(self, _module: nn.Module, _inputs: Any, output: Any) -> None:
        call = self._stack.pop()
        with DisableTorchFunction():
            self._on_module_boundary(CallSite(call.module, call.number, "output", 0), output)

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Count the call and pass it on; torch calls this method for every torch function."""
        # An exported module calls "add.Tensor" where others call "add".
        name = getattr(func, "__name__", "").split(".")[0]
        if name == "__get__":  # This is an attribute such as x.shape.
            return func(*args, **(kwargs or {}))
        kwargs = kwargs or {}
        call = self._stack[-1]
        if not self._is_expanding and not self._is_compiled(func):
            product = self.differences.product(call.module, call.number, name, args, kwargs)
            if product is not None:
                return self._expand(product)
        if (steps := self._steps_of(func, name, args, kwargs)) is not None:
            with self._traced_again(is_step=not name.startswith("_foreach")):
                result = steps()
        else:
            site = CallSite(call.module, call.number, name, call.functions[name])
            call.functions[name] += 1
            function = _giving_gradients(func) if site in self._begins_at else func
            result = self._on_call(site, function, args, kwargs)
        self.differences.note(name, args, kwargs, result)
        return result

    def _expand(self, product: Compute) -> Any:
        """Compute a product with a difference as a difference of products."""
        self._is_expanding = True
        try:
            with self._traced_again(is_step=True):
                return product()
        finally:
            self._is_expanding = False

    def _steps_of(
        self, function: Callable[..., Any], name: str, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Compute | None:
        """Return what computes a call step by step, or None if the call is a step itself."""
        return None if self._is_step or self._is_compiled(function) else written_out(name, args, kwargs)

    def _is_compiled(self, function: Callable[..., Any]) -> bool:
        """Return whether a compiled graph calls: it runs torch's operators without gradients, and is left as it is."""
        return isinstance(function, torch._ops.OpOverload) and not torch.is_grad_enabled()

    @contextmanager
    def _traced_again(self, is_step: bool) -> Iterator[None]:
        """Trace the calls that a call consists of, for which torch has put this tracer aside."""
        super().__enter__()
        around, self._is_step = self._is_step, is_step
        try:
            yield
        finally:
            self._is_step = around
            super().__exit__(None, None, None)


def _giving_gradients(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function whose results have gradients, though they were computed without."""

    def with_gradient(value: Any) -> Any:
        if not isinstance(value, Tensor) or not value.is_floating_point() or value.requires_grad:
            return value
        with torch.enable_grad():
            return value.detach().requires_grad_().clone()

    return lambda *args, **kwargs: tree_map(with_gradient, function(*args, **kwargs))
