"""The layers of a network that have weights, each with its place, so that any library's names can be given to it."""

from collections import Counter
from dataclasses import dataclass
from typing import Literal

from torch import nn

from resunit.models.network import ResidualNetwork

Place = Literal["stem", "branch", "shortcut", "final", "classifier"]
LayerKind = Literal["conv", "norm", "linear"]

KINDS: dict[type[nn.Module], LayerKind] = {nn.Conv2d: "conv", nn.BatchNorm2d: "norm", nn.Linear: "linear"}
PARTS: dict[str, Place] = {
    "shared_preact": "branch",  # Other libraries call it the first norm of the unit, as where it is not shared.
    "branch": "branch",
    "shortcut": "shortcut",
}
OUTSIDE: dict[str, Place] = {"stem": "stem", "final_activation": "final", "classifier": "classifier"}


@dataclass(frozen=True)
class LayerPlace:
    """A convolution, batch norm or linear layer of a network, and where it stands; all counts begin at 0."""

    path: str
    """The module's path in the network, such as "stages.0.1.branch.conv2"."""
    kind: LayerKind
    place: Place
    number: int
    """The layer's number among those of its kind at its place: in its unit, in the stem."""
    stage: int = 0
    unit: int = 0


def layers_of(network: ResidualNetwork) -> list[LayerPlace]:
    """Return the layers with weights of a network whose units have a branch, a shortcut and a shared pre-activation.

    Raises:
        ValueError: a unit has weights in another part, such as a gate.
    """
    found: list[LayerPlace] = []
    numbers: Counter[tuple[object, ...]] = Counter()
    for path, module in network.named_modules():
        kind = KINDS.get(type(module))
        if kind is None:
            continue
        root, *rest = path.split(".")
        if root == "stages":
            stage, unit, part = int(rest[0]), int(rest[1]), rest[2]
            if part not in PARTS:
                raise ValueError(f"{path} is in no part that other libraries have")
            place = PARTS[part]
        else:
            stage, unit, place = 0, 0, OUTSIDE[root]
        key = (place, kind, stage, unit)
        found.append(LayerPlace(path, kind, place, numbers[key], stage, unit))
        numbers[key] += 1
    return found
