"""The layers that a picture shows for a module, in order, each with a short text."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from copy import deepcopy
from dataclasses import dataclass, field
from functools import singledispatch
from typing import Any, Literal

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd
from torch.nn.modules.dropout import _DropoutNd

from resunit.models.shortcuts import (
    DropoutShortcut,
    Gate,
    GatedShortcut,
    LearnedScale,
    Scale,
    StochasticDepth,
    Subsample,
)

BoxKind = Literal["weight", "norm", "activation", "other"]
SIGNS = {"add": "+", "sub": "−", "mul": "×", "truediv": "/", "matmul": "@"}
UNSHOWN_CALLS = ("getattr", "getitem", "size")  # They look values up and compute nothing.
MOST_LINES = 12  # The picture of a module with more steps would be taller than the rest of its unit.


@dataclass(frozen=True)
class DrawnLayer:
    """One box of a picture.

    Attributes:
        text: what stands in the box, such as "conv 3x3, 64, /2".
        kind: the kind of layer, which the box's colour shows.
        steps: the steps inside of a module whose class is neither ours nor torch's.
        gate: the layers of g(x). If there are any, they read the same x as this layer, which is 1 - g, and the
            path goes on as (1 - g(x)) x.
        share: a number between 0 and 1 in which units may differ that otherwise look alike; comparisons ignore it.
        last_share: the number in the last of the units that the picture stands for.
    """

    text: str
    kind: BoxKind = "other"
    steps: tuple[str, ...] = ()
    gate: tuple[DrawnLayer, ...] = ()
    share: float | None = field(default=None, compare=False)
    last_share: float | None = field(default=None, compare=False)

    @property
    def lines(self) -> tuple[str, ...]:
        """The lines of text in the box."""
        if self.share is None:
            return (self.text, *self.steps)
        first, last = f"{self.share:.3g}", f"{self.share if self.last_share is None else self.last_share:.3g}"
        return (f"{self.text} {first}" + (f" to {last}" if last != first else ""), *self.steps)


def layers_of(module: nn.Module) -> tuple[DrawnLayer, ...]:
    """Return the layers of a path in the order in which they act; the identity has none."""
    if isinstance(module, nn.Identity):
        return ()
    if isinstance(module, nn.Sequential):
        return layers_of_each(module)
    return describe_layers(module)


def layers_of_each(modules: Iterable[nn.Module]) -> tuple[DrawnLayer, ...]:
    """Return the layers of modules that act one after another."""
    return tuple(layer for module in modules for layer in layers_of(module))


@singledispatch
def describe_layers(module: nn.Module) -> tuple[DrawnLayer, ...]:
    """Return the layers of a module, by its class or the nearest class that it inherits from."""
    kind = type(module)
    if kind.__module__.startswith("torch.nn.modules.activation"):
        return (DrawnLayer(kind.__name__, "activation"),)
    return (DrawnLayer(kind.__name__, "other", steps_of(module)),)


@describe_layers.register
def _(module: _ConvNd) -> tuple[DrawnLayer, ...]:
    name = "transposed conv" if "Transpose" in type(module).__name__ else "conv"
    parts = [f"{name} {_by(module.kernel_size)}", str(module.out_channels)]
    if module.groups > 1:
        parts.append(f"{module.groups} groups")
    if max(module.dilation) > 1:
        parts.append(f"dilated {_number(module.dilation)}")
    if max(module.stride) > 1:
        parts.append(f"/{_number(module.stride)}")
    return (DrawnLayer(", ".join(parts), "weight"),)


@describe_layers.register
def _(module: Subsample) -> tuple[DrawnLayer, ...]:
    subsampled = [DrawnLayer(f"subsample, /{module.stride}")] if module.stride > 1 else []
    padded = [DrawnLayer(f"pad {module.new_channels} zeros")] if module.new_channels else []
    return (*subsampled, *padded)


@describe_layers.register
def _(module: StochasticDepth) -> tuple[DrawnLayer, ...]:
    return (DrawnLayer("kept with p", share=module.survival),)


@describe_layers.register
def _(module: Gate) -> tuple[DrawnLayer, ...]:
    return (*layers_of(module.conv), DrawnLayer("sigmoid", "activation"))


@describe_layers.register
def _(module: GatedShortcut) -> tuple[DrawnLayer, ...]:
    return (DrawnLayer("1 − g", gate=layers_of(module.gate)),)


# The layers of one box, with their kind and their text.
TEXTS: dict[type[nn.Module], tuple[BoxKind, Callable[[Any], str]]] = {
    nn.Linear: ("weight", lambda linear: f"linear, {linear.out_features}"),
    _BatchNorm: ("norm", lambda norm: "sync BN" if isinstance(norm, nn.SyncBatchNorm) else "BN"),
    nn.GroupNorm: ("norm", lambda norm: f"GN, {norm.num_groups} groups"),
    nn.LayerNorm: ("norm", lambda _: "LN"),
    _DropoutNd: ("other", lambda dropout: f"dropout {dropout.p:g}, inverted"),
    nn.AvgPool2d: ("other", lambda pool: f"mean {_by(pool.kernel_size)}{_over(pool.stride)}"),
    nn.MaxPool2d: ("other", lambda pool: f"max {_by(pool.kernel_size)}{_over(pool.stride)}"),
    Scale: ("other", lambda scale: f"× {scale.scale:g}"),
    LearnedScale: ("other", lambda scale: "× a, learned" if scale.scale.numel() == 1 else "× a, by channel"),
    DropoutShortcut: ("other", lambda h: f"dropout {h.probability:g}{', inverted' if h.inverted else ''}"),
}


def _draw_as_one_box(
    kind: BoxKind, text: Callable[[Any], str]
) -> Callable[[nn.Module], tuple[DrawnLayer, ...]]:
    return lambda module: (DrawnLayer(text(module), kind),)


for _class, (_kind, _text) in TEXTS.items():
    describe_layers.register(_class, _draw_as_one_box(_kind, _text))


def steps_of(module: nn.Module) -> tuple[str, ...]:
    """Return the steps of a module whose class is foreign: its calls in order, or the layers that it holds.

    The order of the calls is read by torch.fx, which runs the module's forward on a stand-in for x. Where that
    is not possible, because forward depends on values, the layers stand as they were registered.
    """
    if not any(True for _ in module.children()) and type(module).__module__.startswith("torch.nn."):
        return ()
    try:
        with torch.random.fork_rng(devices=[]):  # forward may draw numbers, or count its calls
            graph = torch.fx.Tracer().trace(deepcopy(module))
    except Exception:  # Somebody else's forward may raise anything on a stand-in.
        steps = [text for child in module.children() for text in _texts(child)]
    else:
        steps = [text for node in graph.nodes for text in _call(module, node)]
    if len(steps) > MOST_LINES:
        steps = [*steps[: MOST_LINES - 1], f"… {len(steps) - MOST_LINES + 1} more"]
    return tuple(steps)


def _call(module: nn.Module, node: torch.fx.Node) -> list[str]:
    if node.op == "call_module":
        return _texts(module.get_submodule(str(node.target)))
    if node.op not in ("call_function", "call_method"):
        return []
    name = node.target if isinstance(node.target, str) else getattr(node.target, "__name__", str(node.target))
    if name in UNSHOWN_CALLS:
        return []
    name = name.strip("_")
    numbers = [argument for argument in node.args if isinstance(argument, int | float)]
    return [" ".join([SIGNS.get(name, name), *(f"{number:g}" for number in numbers if name in SIGNS)])]


def _texts(module: nn.Module) -> list[str]:
    return [line for layer in layers_of(module) for line in layer.lines]


def _by(size: int | tuple[int, ...]) -> str:
    return "x".join(map(str, size if isinstance(size, tuple) else (size, size)))


def _over(stride: int | tuple[int, ...]) -> str:
    return f", /{_number(stride)}" if _number(stride) != "1" else ""


def _number(sizes: int | tuple[int, ...]) -> str:
    """Return one number where all directions agree, else the numbers of all: 2, or 2x1."""
    if isinstance(sizes, int):
        return str(sizes)
    return str(sizes[0]) if len(set(sizes)) == 1 else _by(sizes)
