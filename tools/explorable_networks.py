"""Measure the networks of the explorable page, and write reproduction/explorable/measured.json of the package:

python -m tools.explorable_networks
"""

import itertools
import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from resunit.inference.subjects import find_subject
from resunit.io.atomic import write_atomically
from resunit.models import designs
from resunit.models.designs import DESIGNS, Design
from resunit.models.network import ResidualNetwork, build
from resunit.models.registry import network_spec
from resunit.models.residual_unit import Placement
from resunit.models.shortcuts import ExclusivelyGatedUnit

PLACE = Path(__file__).parents[1] / "src" / "resunit" / "reproduction" / "explorable" / "measured.json"
FORMAT = 1
IMAGES, SEED = 16, 0
SCALES = (0.0, 0.5, 0.7, 0.8, 0.9, 0.95, 0.99, 1.01, 1.05, 1.1)
BIASES = tuple(float(-bias) for bias in range(11))
DIGITS = 3

PLACEMENTS = (
    "original", "bn-after-addition", "relu-before-addition", "relu-only-preactivation", "full-preactivation",
)  # fmt: skip
# With any other shortcut than the identity, the activations stand as in Table 1, or so that f is the identity.
PLACEMENTS_OF_SHORTCUTS = ("original", "full-preactivation")


@dataclass(frozen=True)
class Kind:
    """A kind of shortcut: how units with it are joined, the name of its option, and the option's values."""

    join: Callable[..., nn.Module]
    option: str | None = None
    values: tuple[float | None, ...] = (None,)


SHORTCUTS = {
    "identity": Kind(designs.identity_shortcut),
    "constant-scaling": Kind(designs.constant_scaling, "shortcut_scale", SCALES),
    "shortcut-only-gating": Kind(designs.shortcut_only_gating, "gate_bias", BIASES),
    "exclusive-gating": Kind(designs.exclusive_gating, "gate_bias", BIASES),
    "conv-shortcut": Kind(designs.conv_shortcut),
    "dropout-shortcut": Kind(designs.dropout_shortcut),
}

# The shortcuts of Table 1 beside the identity, with the values of their rows; a scale of 0 is the plain net.
OF_THE_PAPER = {
    "constant-scaling": (0.0, 0.5),
    "shortcut-only-gating": (0.0, -6.0),
    "exclusive-gating": (0.0, -6.0, -7.0),
    "conv-shortcut": (None,),
    "dropout-shortcut": (None,),
}


@dataclass(frozen=True)
class Combination:
    """What determines a network of the page.

    Attributes:
        model: the name of the network whose number of units it has, such as "resnet110".
        one_size: whether all units stand in the first stage, where Eqs. (4) to (8) are exact; if not, it is the
            network itself.
        shortcut: h of every unit: "identity", or the name of the design that has it, such as "constant-scaling".
        value: the option of the shortcut: lambda of a scale, the bias of a gate; None where there is none.
        placement: where the activations stand, as the name of the design that has them, Fig. 4.
    """

    model: str
    one_size: bool
    shortcut: str
    value: float | None
    placement: str

    def build(self) -> ResidualNetwork:
        """Return the network with fresh weights."""
        kind, name = SHORTCUTS[self.shortcut], "explored"
        options: dict[str, Any] = {} if kind.option is None else {kind.option: self.value}
        DESIGNS[name] = Design(DESIGNS[self.placement].placement, kind.join)
        try:
            spec = replace(network_spec(self.model), design=name, design_options=options)
            if self.one_size:  # All units stand in the first stage.
                spec = replace(
                    spec, depths=(sum(spec.depths),), widths=spec.widths[:1], strides=spec.strides[:1]
                )
            torch.manual_seed(SEED)
            return build(spec)
        finally:
            del DESIGNS[name]


@dataclass(frozen=True)
class MeasuredPath:
    """The norms along one direction of a network, a number for x_0, x_1, ..., x_L, where L is the number of units.

    Attributes:
        direct: what passes h and f of each unit, and no branch, Eqs. (7) and (8).
        whole: all of it, with what passes the branches.
    """

    direct: tuple[float, ...]
    whole: tuple[float, ...]


@dataclass(frozen=True)
class MeasuredNetwork(Combination):
    """A network with the weights that it begins with, measured on one batch in training mode.

    Attributes:
        size_changes: the numbers of the units, from 1, that change the size of the feature maps.
        forward: the root mean square of a small random change of x_0, and of x itself, relative to those of x_0.
        backward: the norm of dE/dx, relative to that of dE/dx_L.
    """

    size_changes: tuple[int, ...]
    forward: MeasuredPath
    backward: MeasuredPath


def combinations() -> Iterator[Combination]:
    """Yield the networks that are measured: all of one size, and the paper's own."""
    for model in ("resnet20", "resnet110"):
        for shortcut, kind in SHORTCUTS.items():
            placements = PLACEMENTS if shortcut == "identity" else PLACEMENTS_OF_SHORTCUTS
            for value, placement in itertools.product(kind.values, placements):
                yield Combination(model, True, shortcut, value, placement)
    for shortcut, values in OF_THE_PAPER.items():
        for value in values:
            yield Combination("resnet110", False, shortcut, value, "original")
    for placement in PLACEMENTS:
        yield Combination("resnet110", False, "identity", None, placement)


class Unit:
    """One unit of a network, taken apart at its addition.

    Args:
        unit: the unit.
        number: its number, which determines the masks of dropout.
    """

    def __init__(self, unit: Any, number: int):
        self.unit = unit
        self.number = number

    def whole(self, x: Tensor) -> Tensor:
        """Return x_{l+1}."""
        torch.manual_seed(self.number)
        return self.unit(x)

    def without_branch(self, x: Tensor) -> Callable[[Tensor], Tensor]:
        """Return the function x -> x_{l+1} whose branch is a constant, the branch at `x`."""
        with torch.no_grad():
            branch = self._branch(x)
        return lambda of: self.unit.after_addition(self._shortcut(of) + branch)

    def _shortcut(self, x: Tensor) -> Tensor:
        torch.manual_seed(self.number)
        h = self.unit.shortcut(self.unit.shared_preact(x))
        return (1 - self.unit.gate(h)) * h if self._is_exclusive else h

    def _branch(self, x: Tensor) -> Tensor:
        x = self.unit.shared_preact(x)
        branch = self.unit.branch(x)
        return self.unit.gate(self.unit.shortcut(x)) * branch if self._is_exclusive else branch

    @property
    def _is_exclusive(self) -> bool:
        return isinstance(self.unit, ExclusivelyGatedUnit)


def measure(
    network: ResidualNetwork, images: Tensor, labels: Tensor
) -> tuple[tuple[int, ...], MeasuredPath, MeasuredPath]:
    """Return the units that change the size, and what passes forward and backward."""
    modules = [unit for stage in network.stages for unit in stage.children()]
    units = [Unit(unit, number) for number, unit in enumerate(modules)]
    stream = [network.stem(images)]
    for unit in units:
        stream.append(unit.whole(stream[-1]))
    logits = network.forward_head(network.final_activation(stream[-1]))
    gradients = torch.autograd.grad(functional.cross_entropy(logits, labels), stream)
    stream = [x.detach() for x in stream]
    paths = [unit.without_branch(x) for unit, x in zip(units, stream, strict=False)]

    changes = [torch.randn(stream[0].shape, generator=torch.Generator().manual_seed(SEED))]
    for path, x in zip(paths, stream, strict=False):
        changes.append(torch.func.jvp(path, (x,), (changes[-1],))[1])
    directs = [gradients[-1]]
    for path, x in zip(reversed(paths), reversed(stream[:-1]), strict=True):
        directs.append(torch.func.vjp(path, x)[1](directs[-1])[0])

    sizes = [unit for unit in range(1, len(stream)) if stream[unit].shape != stream[unit - 1].shape]
    first, last = 0, -1
    return (
        tuple(sizes),
        MeasuredPath(relative(changes, rms, first), relative(stream, rms, first)),
        MeasuredPath(relative(directs[::-1], norm, last), relative(gradients, norm, last)),
    )


def relative(tensors: Any, size: Callable[[Tensor], float], to: int) -> tuple[float, ...]:
    """Return the sizes of tensors relative to that of one of them, rounded."""
    sizes = [size(tensor) for tensor in tensors]
    return tuple(float(f"{one / sizes[to]:.{DIGITS}g}") for one in sizes)


def norm(x: Tensor) -> float:
    """Return the Euclidean norm; in single precision the squares of small numbers would vanish."""
    return x.double().norm().item()


def rms(x: Tensor) -> float:
    """Return the root mean square."""
    return norm(x) / x.numel() ** 0.5


def measure_network(combination: Combination) -> MeasuredNetwork:
    """Return what was measured of one combination."""
    batch = find_subject("resnet20", batch_size=IMAGES, seed=SEED)  # only its images and labels
    assert batch.targets is not None
    network = combination.build().train()
    torch.func.replace_all_batch_norm_modules_(network)  # jvp lets nothing be written, such as running means.
    sizes, forward, backward = measure(network, batch.inputs, batch.targets)
    return MeasuredNetwork(**asdict(combination), size_changes=sizes, forward=forward, backward=backward)


def layers_of(placement: Placement) -> dict[str, list[str]]:
    """Return the layers of a branch of two convolutions, and those after the addition."""
    branch = (
        *placement.before_first_conv, "conv", *placement.between_convs, "conv", *placement.after_last_conv,
    )  # fmt: skip
    return {"branch": list(branch), "after_addition": list(placement.after_addition)}


def main() -> None:
    """Measure all combinations and write the file."""
    networks = []
    for combination in combinations():
        networks.append(measure_network(combination))
        print(combination, networks[-1].backward.direct[0], flush=True)
    placements = {name: layers_of(DESIGNS[name].placement) for name in PLACEMENTS}
    head = {
        "format": FORMAT,
        "images": IMAGES,
        "seed": SEED,
        "torch": torch.__version__,
        "placements": placements,
    }
    lines = ",\n".join(json.dumps(asdict(network)) for network in networks)
    write_atomically(PLACE, f'{json.dumps(head)[:-1]}, "networks": [\n{lines}\n]}}\n'.encode())
    print(PLACE)


if __name__ == "__main__":
    main()
