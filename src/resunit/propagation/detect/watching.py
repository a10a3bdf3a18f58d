"""Sees every torch function of a forward pass above autograd, and which module calls it."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from torch import Tensor, nn
from torch._C import DisableTorchFunction  # also suspends modes: what the instrument does is not seen by it
from torch.overrides import TorchFunctionMode
from torch.utils.hooks import RemovableHandle


class Place(NamedTuple):
    """Where in a forward pass something happens, the same from pass to pass.

    The `turn`-th call of `function` within the `call`-th call of `module` (a path as in `named_modules`);
    `function` is "input" for what the module is given and "output" for what it returns. A count by name does
    not move where a module keeps a cache.
    """

    module: str
    call: int
    function: str
    turn: int


OnFunction = Callable[[Place, Callable[..., Any], tuple[Any, ...], dict[str, Any]], Any]
OnPassage = Callable[[Place, Any], None]


@dataclass
class _Frame:
    module: str
    call: int
    functions: Counter[str] = field(default_factory=Counter)


class Watch(TorchFunctionMode):
    """Hands each torch function of `model`'s forward pass to `on_function`, which calls it.

    `on_passage` is told what enters and leaves each module: what custom autograd functions
    (torch.autograd.Function) return is seen there only. The hooks are on the modules while it is entered.
    """

    def __init__(self, model: nn.Module, on_function: OnFunction, on_passage: OnPassage):
        super().__init__()
        self._model = model
        self._on_function = on_function
        self._on_passage = on_passage

    def __enter__(self) -> "Watch":
        self._calls: Counter[str] = Counter()
        self._stack = [_Frame("", -1)]
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
            frame = _Frame(path, self._calls[path])
            self._calls[path] += 1
            self._stack.append(frame)
            with DisableTorchFunction():
                self._on_passage(Place(path, frame.call, "input", 0), (args, kwargs))

        return enter

    def _leave(self, _module: nn.Module, _inputs: Any, output: Any) -> None:
        frame = self._stack.pop()
        with DisableTorchFunction():
            self._on_passage(Place(frame.module, frame.call, "output", 0), output)

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        name = getattr(func, "__name__", "")
        if name == "__get__":  # an attribute such as x.shape
            return func(*args, **(kwargs or {}))
        frame = self._stack[-1]
        place = Place(frame.module, frame.call, name, frame.functions[name])
        frame.functions[name] += 1
        return self._on_function(place, func, args, kwargs or {})


def tensors_in(value: Any) -> Iterator[Tensor]:
    """The tensors of nested tuples, lists and mappings, in order."""
    return (leaf for leaf in _leaves(value) if isinstance(leaf, Tensor))


def holds_arrays(value: Any) -> bool:
    """Is there a NumPy array among nested tuples, lists and mappings?"""
    return any(type(leaf).__name__ == "ndarray" for leaf in _leaves(value))


def _leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, tuple | list):
        for item in value:
            yield from _leaves(item)
    elif hasattr(value, "values") and hasattr(value, "keys"):
        for item in value.values():
            yield from _leaves(item)
    else:
        yield value
