"""The parts of a unit and of a network that a picture shows, read from the module objects."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from torch import nn

from resunit.errors import UsageError
from resunit.io.format import format_count
from resunit.models.drawing.layers import DrawnLayer, layers_of, layers_of_each, steps_of
from resunit.models.network import ResidualNetwork
from resunit.models.residual_unit import ResidualUnit
from resunit.models.shortcuts import ExclusivelyGatedUnit
from resunit.ops.activation_checkpointing import Stage

OURS = (ResidualUnit, ExclusivelyGatedUnit)
PATHS = {"shared_preact", "shortcut", "branch", "after_addition"}


@dataclass(frozen=True)
class UnitDrawing:
    """A unit f(h(x) + F(x)) as the layers of its parts, each in the order in which they act.

    Attributes:
        shared_preact: the layers before the split into two paths.
        shortcut: h.
        branch: F.
        gate: g of exclusive gating, which reads h(x), closes the shortcut and opens the branch.
        after_addition: f.
        in_channels: the channels of x_l; None if no layer tells.
        out_channels: the channels of x_{l+1}; None if no layer tells.
        remark: a note on the unit's own code; empty for our units.
        whole: the unit as one box, if its class does not tell shortcut and branch apart.
    """

    shared_preact: tuple[DrawnLayer, ...] = ()
    shortcut: tuple[DrawnLayer, ...] = ()
    branch: tuple[DrawnLayer, ...] = ()
    gate: tuple[DrawnLayer, ...] = ()
    after_addition: tuple[DrawnLayer, ...] = ()
    in_channels: int | None = None
    out_channels: int | None = None
    remark: str = ""
    whole: DrawnLayer | None = None


@dataclass(frozen=True)
class AlikeUnits:
    """Units of one stage that look alike, and how many there are of them."""

    drawing: UnitDrawing
    title: str
    count: int


@dataclass(frozen=True)
class NetworkDrawing:
    """A network: the layers before its units, its distinct units by stage, and the layers behind the units."""

    stem: tuple[DrawnLayer, ...]
    units: tuple[AlikeUnits, ...]
    head: tuple[DrawnLayer, ...]


def is_unit(module: nn.Module, parent: nn.Module | None = None) -> bool:
    """Return whether a module is a residual unit of ours: of our classes, in a stage of ours, or of the same parts."""
    has_paths = all(isinstance(getattr(module, name, None), nn.Module) for name in ("shortcut", "branch"))
    return isinstance(module, OURS) or isinstance(parent, Stage) or has_paths


def unit_drawing(unit: nn.Module) -> UnitDrawing:
    """Return the drawing of one unit."""
    parts = dict(unit.named_children())
    gated = isinstance(unit, ExclusivelyGatedUnit)
    if not {"shortcut", "branch"} <= parts.keys() <= PATHS | ({"gate"} if gated else set()):
        taken, given = _channels(unit)
        whole = DrawnLayer(type(unit).__name__, "other", steps_of(unit))
        return UnitDrawing(whole=whole, in_channels=taken, out_channels=given)
    taken, given = _channels(parts["branch"])
    own_forward = type(unit).forward not in [kind.forward for kind in OURS]
    return UnitDrawing(
        shared_preact=layers_of(parts.get("shared_preact", nn.Identity())),
        shortcut=layers_of(parts["shortcut"]),
        branch=layers_of(parts["branch"]),
        gate=layers_of(parts["gate"]) if gated else (),
        after_addition=layers_of(parts.get("after_addition", nn.Identity())),
        remark=f"joined by {type(unit).__name__}.forward" if own_forward else "",
        in_channels=taken,
        out_channels=given,
    )


def network_drawing(model: nn.Module) -> NetworkDrawing:
    """Return the drawing of a network, or of a unit alone.

    Raises:
        UsageError: there is no residual unit of ours in `model`.
    """
    if is_unit(model):
        return NetworkDrawing((), (AlikeUnits(unit_drawing(model), type(model).__name__, 1),), ())
    before_units: list[nn.Module] = []
    after_units: list[nn.Module] = []
    stages: dict[str, list[nn.Module]] = {}
    for name, module, parent in _units_and_layers(model):
        if is_unit(module, parent):
            stages.setdefault(name.rpartition(".")[0], []).append(module)
        elif not isinstance(module, nn.Identity):
            (after_units if stages else before_units).append(module)
    if not stages:
        raise UsageError(
            f"{type(model).__name__} has no residual unit of resunit to draw; `resunit propagation` and "
            "resunit.propagation.measure find the junctions of any network"
        )
    units = [
        drawn
        for number, stage in enumerate(stages.values(), 1)
        for drawn in _select_distinct([unit_drawing(unit) for unit in stage], f"stage {number}")
    ]
    head = [*layers_of_each(after_units)]
    if any(isinstance(module, ResidualNetwork) for module in model.modules()):
        head.insert(len(head) - 1, DrawnLayer("mean over H and W"))
    return NetworkDrawing(layers_of_each(before_units), tuple(units), tuple(head))


def _units_and_layers(model: nn.Module, name: str = "") -> Iterator[tuple[str, nn.Module, nn.Module]]:
    """Yield name, module and parent of each unit, and of each layer outside of units, as they were registered."""
    for child_name, child in model.named_children():
        path = f"{name}.{child_name}" if name else child_name
        if is_unit(child, model) or not any(True for _ in child.children()):
            yield path, child, model
        else:
            yield from _units_and_layers(child, path)


def _select_distinct(drawings: list[UnitDrawing], stage: str) -> list[AlikeUnits]:
    """Return the drawings of a stage that differ, in order of their first unit, each with its count."""
    found: dict[UnitDrawing, list[UnitDrawing]] = {}
    for drawing in drawings:
        found.setdefault(drawing, []).append(drawing)
    return [
        AlikeUnits(
            _with_shares(alike[0], alike[-1]), f"{stage}: {format_count(len(alike), 'unit')}", len(alike)
        )
        for alike in found.values()
    ]


def _with_shares(first: UnitDrawing, last: UnitDrawing) -> UnitDrawing:
    """Return the drawing of `first`, whose branch names the shares of the `last` unit too."""
    pairs = zip(first.branch, last.branch, strict=True)
    return replace(first, branch=tuple(replace(one, last_share=other.share) for one, other in pairs))


def _channels(module: nn.Module) -> tuple[int | None, int | None]:
    """Return the channels that the first weight layer or norm reads, and those that the last weight layer gives."""
    layers = list(module.modules())
    read = _first_size(layers, ("in_channels", "in_features", "num_features"))
    return read, _first_size(reversed(layers), ("out_channels", "out_features"))


def _first_size(layers: Iterable[nn.Module], attributes: tuple[str, ...]) -> int | None:
    sizes = (getattr(layer, attribute, None) for layer in layers for attribute in attributes)
    return next((size for size in sizes if isinstance(size, int)), None)
