"""Weight files: a network's tensors with the record of what it is, so that the file alone rebuilds it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, get_args, get_type_hints

import torch
from torch import Tensor, nn

from resunit.errors import FileFormatError
from resunit.io.tensors import read_tensors, write_tensors
from resunit.models.designs import DESIGNS, unknown_design
from resunit.models.network import NetworkSpec, ResidualNetwork, build

KIND = "resunit"


@dataclass(frozen=True)
class WeightsFile:
    """What a weights file holds. `preprocessing` has image_size and data.Normalisation's JSON."""

    path: Path
    spec: NetworkSpec
    classes: tuple[str, ...]
    preprocessing: Mapping[str, Any]
    result: Mapping[str, Any]
    tensors: Mapping[str, Tensor]

    def build(self) -> ResidualNetwork:
        """Return the network with the stored weights. Raises FileFormatError if they do not fit."""
        try:
            with torch.device("meta"):
                network = build(self.spec)
            network.load_state_dict(dict(self.tensors), assign=True)
        except (RuntimeError, TypeError, ValueError) as error:
            reason = str(error).splitlines()[-1].strip()
            raise FileFormatError(f"{self.path}: does not fit the network it names: {reason}") from error
        return network


def write_weights(
    path: Path,
    model: nn.Module,
    spec: NetworkSpec,
    *,
    classes: tuple[str, ...],
    preprocessing: Mapping[str, Any],
    result: Mapping[str, Any],
) -> None:
    """Write `model`'s tensors and all that prediction needs, atomically."""
    record = {
        "network": asdict(spec),
        "classes": list(classes),
        "preprocessing": dict(preprocessing),
        "result": dict(result),
    }
    write_tensors(path, KIND, record, model.state_dict())


def read_weights(path: Path) -> WeightsFile:
    """Read a weights file; raises FileFormatError or FileFormatError, naming it, for all that is not one."""
    record, tensors = read_tensors(path, KIND)
    try:
        spec = spec_from_json(record["network"])
        classes = tuple(map(str, record["classes"]))
        if len(classes) != spec.num_classes:
            raise ValueError(f"{len(classes)} class names for {spec.num_classes} classes")
        preprocessing, result = dict(record["preprocessing"]), dict(record["result"])
    except (KeyError, TypeError, ValueError) as error:
        raise FileFormatError(f"{path}: its record is damaged or of a newer resunit ({error})") from error
    return WeightsFile(path, spec, classes, preprocessing, result, tensors)


def spec_from_json(record: Mapping[str, Any]) -> NetworkSpec:
    """The inverse of `dataclasses.asdict` through JSON; raises ValueError for values that no network has."""
    types = get_type_hints(NetworkSpec)
    if set(record) != set(types):
        raise ValueError(f"network fields {sorted(set(record) ^ set(types))}")
    values: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in record.items()
    }
    for name, value in values.items():
        numbers = value if isinstance(value, tuple) else (value,)
        kind = types[name]
        if name == "design_options":
            continue
        if (choices := get_args(kind)) and isinstance(choices[0], str):
            right = value in choices
        elif kind is str:
            if value not in DESIGNS:
                raise unknown_design(str(value))
            right = True
        else:
            right = all(type(number) is int and 0 < number < 100_000 for number in numbers)
        if not right:
            raise ValueError(f"{name} cannot be {value!r}")
    if set(values["design_options"]) - set(DESIGNS[values["design"]].options):
        raise ValueError(f"design_options of {values['design']} cannot be {values['design_options']!r}")
    return NetworkSpec(**values)
