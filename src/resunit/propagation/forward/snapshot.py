"""Remembering the attributes and containers that Python objects hold, and putting them back.

A forward pass may fill a cache of keys and values, keep a tensor in an attribute, or count its calls. The
snapshot walks from an object through attributes, containers, closures and bound methods, and remembers what
each holds. Only what has changed is put back, so untouched objects are not written to.
"""

import functools
import random
import types
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

# These values hold nothing that a forward pass changes.
CONSTANT = (
    type(None), bool, int, float, complex, str, bytes, type, types.ModuleType, types.BuiltinFunctionType,
    torch.dtype, torch.device, torch.layout, torch.memory_format, torch.Size, range, slice,
)  # fmt: skip
MOST_OBJECTS = 1_000_000  # that are walked through: the objects of the largest networks are fewer


def tensors_within(roots: Iterable[Any]) -> list[Tensor]:
    """Return the tensors that can be reached from some objects, in the order in which they are held."""
    tensors: list[Tensor] = []
    seen: dict[int, Any] = {}
    waiting = list(roots)[::-1]
    while waiting and len(seen) < MOST_OBJECTS:
        value = waiting.pop()
        if isinstance(value, CONSTANT) or id(value) in seen:
            continue
        seen[id(value)] = value
        if isinstance(value, Tensor):
            tensors.append(value)
        elif not isinstance(value, nn.Module):
            waiting += list(_held_by(value))[::-1]
    return tensors


class Snapshot:
    """What some objects hold at one moment, and everything that can be reached from them.

    Args:
        roots: the objects.
        known: tensors whose content is restored elsewhere, such as parameters and buffers.
    """

    def __init__(self, roots: Iterable[Any], known: Iterable[Tensor] = ()):
        self._seen = {id(tensor): tensor for tensor in known}
        self._restorers: list[Callable[[], None]] = []
        waiting = list(roots)
        while waiting and len(self._seen) < MOST_OBJECTS:
            value = waiting.pop()
            if isinstance(value, CONSTANT) or id(value) in self._seen:
                continue
            self._seen[id(value)] = value  # It is kept, so that no other object gets the same id.
            waiting += self._remember(value)

    def restore(self) -> None:
        """Put back what has changed since."""
        for restore in self._restorers:
            restore()

    def _remember(self, value: Any) -> Iterable[Any]:
        """Remember what one object holds, and return the objects within."""
        if isinstance(value, Tensor):
            self._remember_tensor(value)
            return ()
        if isinstance(value, torch.Generator):
            self._restorers.append(functools.partial(_set_state, value, value.get_state()))
        elif isinstance(value, random.Random):
            self._restorers.append(functools.partial(value.setstate, value.getstate()))
        elif isinstance(value, dict):
            self._remember_dict(value)
        elif isinstance(value, list | set | deque):
            self._remember_items(value)
        elif type(value).__module__.startswith("numpy.random"):
            self._remember_numpy_generator(value)
        attributes, slots = _attributes_of(value), _slots_of(value)
        if attributes is not None:
            self._remember_dict(attributes)
        if slots:
            names = {name for kind in type(value).__mro__ for name in _slot_names(kind)}
            self._restorers.append(functools.partial(_restore_slots, value, names, slots))
        return list(_held_by(value))

    def _remember_tensor(self, tensor: Tensor) -> None:
        version, flag = tensor._version, tensor.requires_grad
        content = tensor.detach().clone()

        def restore() -> None:
            if tensor._version != version:
                with torch.no_grad():
                    tensor.copy_(content)
            if tensor.is_leaf and tensor.requires_grad != flag:
                tensor.requires_grad_(flag)

        if tensor.is_leaf:
            self._restorers.append(restore)

    def _remember_dict(self, value: dict[Any, Any]) -> None:
        content = dict(value)

        def restore() -> None:
            if not _same(list(dict.items(value)), list(content.items())):
                dict.clear(value)
                dict.update(value, content)

        self._restorers.append(restore)

    def _remember_items(self, value: list[Any] | set[Any] | deque[Any]) -> None:
        content = list(value)

        def restore() -> None:
            now = list(value)
            if len(now) != len(content) or any(a is not b for a, b in zip(now, content, strict=True)):
                value.clear()
                (value.update if isinstance(value, set) else value.extend)(content)

        self._restorers.append(restore)

    def _remember_numpy_generator(self, value: Any) -> None:
        generator = getattr(value, "bit_generator", None) or getattr(value, "_bit_generator", None)
        if generator is not None:
            self._restorers.append(functools.partial(setattr, generator, "state", generator.state))


def _set_state(generator: torch.Generator, state: Tensor) -> None:
    generator.set_state(state)


def _held_by(value: Any) -> Iterator[Any]:
    """Yield the objects that an object holds."""
    if isinstance(value, dict):
        yield from dict.values(value)
    elif isinstance(value, list | set | deque | tuple | frozenset):
        yield from value
    elif isinstance(value, types.FunctionType):
        yield from (cell.cell_contents for cell in value.__closure__ or () if _is_filled(cell))
        return
    elif isinstance(value, types.MethodType):
        yield value.__self__
    elif isinstance(value, functools.partial):
        yield from (value.func, value.args, value.keywords)
    yield from (_attributes_of(value) or {}).values()
    yield from _slots_of(value).values()


def _attributes_of(value: Any) -> dict[str, Any] | None:
    attributes = None if isinstance(value, types.FunctionType) else getattr(value, "__dict__", None)
    return attributes if isinstance(attributes, dict) else None


def _slots_of(value: Any) -> dict[str, Any]:
    names = {name for kind in type(value).__mro__ for name in _slot_names(kind)}
    return {name: getattr(value, name) for name in sorted(names) if hasattr(value, name)}


def _restore_slots(value: Any, names: set[str], slots: dict[str, Any]) -> None:
    for name in names:
        if name in slots and getattr(value, name, None) is not slots[name]:
            object.__setattr__(value, name, slots[name])
        elif name not in slots and hasattr(value, name):
            object.__delattr__(value, name)


def _slot_names(kind: type) -> list[str]:
    if kind.__module__.split(".")[0] in ("torch", "builtins", "weakref", "_weakref", "threading", "_thread"):
        return []
    declared = kind.__dict__.get("__slots__", ())
    names = [declared] if isinstance(declared, str) else list(declared)
    hidden = f"_{kind.__name__.lstrip('_')}"
    return [
        hidden + name if name.startswith("__") and not name.endswith("__") else name
        for name in names
        if name not in ("__dict__", "__weakref__")
    ]


def _is_filled(cell: types.CellType) -> bool:
    try:
        return cell.cell_contents is not None
    except ValueError:  # The variable of the closure is not assigned yet.
        return False


def _same(now: list[tuple[Any, Any]], before: list[tuple[Any, Any]]) -> bool:
    return len(now) == len(before) and all(
        a is b and v is w for (a, v), (b, w) in zip(now, before, strict=True)
    )
