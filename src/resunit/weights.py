"""Weight files: safetensors with one metadata key of JSON that says which network they belong to.

Only tensors and JSON are ever read: a pickled file is refused, not opened.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import safetensors.torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from resunit.designs import DESIGNS
from resunit.files import write_atomically
from resunit.models import NetworkSpec

KEY = "resunit"  # one key: safetensors writes several in random order


class WeightsError(OSError):
    """A weights file that is missing, foreign, damaged or of another network."""


@dataclass(frozen=True)
class WeightsFile:
    """What a weights file holds. `classes` may be empty; `preprocessing` is data.Normalisation's JSON."""

    path: Path
    spec: NetworkSpec
    classes: tuple[str, ...]
    preprocessing: Mapping[str, Any]
    result: Mapping[str, Any]
    tensors: Mapping[str, Tensor]

    def load_into(self, model: nn.Module) -> None:
        """Give `model` the stored tensors, in place of its own (which may be on the meta device).

        Raises WeightsError if names or shapes differ from what the stored spec builds.
        """
        try:
            model.load_state_dict(dict(self.tensors), assign=True)
        except RuntimeError as error:
            reason = str(error).splitlines()[-1].strip()
            raise WeightsError(f"{self.path}: does not fit the network it names: {reason}") from error


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
        "format": 1,
        "network": asdict(spec),
        "classes": list(classes),
        "preprocessing": dict(preprocessing),
        "result": dict(result),
    }
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    write_atomically(path, safetensors.torch.save(tensors, {KEY: json.dumps(record)}))


def read_weights(path: Path) -> WeightsFile:
    """Read a weights file, raising WeightsError with the remedy for anything that is not one."""
    if not path.is_file():
        raise WeightsError(f"{path}: no such weights file; give a run folder or its weights.safetensors")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise WeightsError(
            f"{path}: not a readable safetensors file ({error}); pickled weights are never loaded"
        ) from error
    if KEY not in metadata:
        raise WeightsError(f"{path}: a safetensors file that resunit did not write: it names no network")
    try:
        record = json.loads(metadata[KEY])
        return WeightsFile(
            path=path,
            spec=spec_from_json(record["network"]),
            classes=tuple(record["classes"]),
            preprocessing=record["preprocessing"],
            result=record["result"],
            tensors=tensors,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise WeightsError(
            f"{path}: damaged or of a newer resunit: {type(error).__name__} {error}"
        ) from error


def spec_from_json(record: Mapping[str, object]) -> NetworkSpec:
    """The inverse of `dataclasses.asdict` through JSON."""
    known = {field.name for field in fields(NetworkSpec)}
    if set(record) != known:
        raise ValueError(f"network fields {sorted(set(record) ^ known)}")
    spec = NetworkSpec(**record)  # pyright: ignore[reportArgumentType]
    if spec.design not in DESIGNS:
        raise ValueError(f"design {spec.design!r} is not known here")
    return replace(spec, depths=tuple(spec.depths), widths=tuple(spec.widths), strides=tuple(spec.strides))
