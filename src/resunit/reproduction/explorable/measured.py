"""What was measured of fresh networks for the page, read from a file that ships with the package.

Nothing here imports torch, so that the page is written at once. `python -m tools.explorable_networks` writes the
file from the networks themselves.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import resources
from typing import Any

FORMAT = 1
FILE = "measured.json"


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
class MeasuredNetwork:
    """A network with the weights that it begins with, measured on one batch in training mode.

    Attributes:
        model: the name of the network whose number of units it has, such as "resnet110".
        one_size: whether all units stand in the first stage, where Eqs. (4) to (8) are exact; if not, it is the
            network itself.
        shortcut: h of every unit: "identity", or the name of the design that has it, such as "constant-scaling".
        value: the option of the shortcut: lambda of a scale, the bias of a gate; None where there is none.
        placement: where the activations stand, as the name of the design that has them, Fig. 4.
        size_changes: the numbers of the units, from 1, that change the size of the feature maps.
        forward: the root mean square of a small random change of x_0, and of x itself, relative to those of x_0.
        backward: the norm of dE/dx, relative to that of dE/dx_L.
    """

    model: str
    one_size: bool
    shortcut: str
    value: float | None
    placement: str
    size_changes: tuple[int, ...]
    forward: MeasuredPath
    backward: MeasuredPath

    def to_json(self) -> dict[str, Any]:
        """Return the network as plain values."""
        return asdict(self)


@dataclass(frozen=True)
class MeasuredNetworks:
    """All networks of the page.

    Attributes:
        seed: determines weights, images and the random change.
        torch: the version of torch that measured.
        placements: the layers of a branch of two convolutions and those after the addition, by placement.
    """

    images: int
    seed: int
    torch: str
    placements: Mapping[str, Mapping[str, Sequence[str]]]
    networks: tuple[MeasuredNetwork, ...]

    def to_text(self) -> str:
        """Return the content of the file, with one network a line."""
        head = {key: value for key, value in vars(self).items() if key != "networks"}
        lines = ",\n".join(json.dumps(network.to_json()) for network in self.networks)
        return f'{json.dumps({"format": FORMAT, **head})[:-1]}, "networks": [\n{lines}\n]}}\n'


def read_document() -> dict[str, Any]:
    """Return the content of the file as plain values."""
    return json.loads((resources.files("resunit.reproduction.explorable") / FILE).read_text("utf-8"))
