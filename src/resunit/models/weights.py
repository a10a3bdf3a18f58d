"""Weight files: a network's tensors with the record of what it is, so that the file alone rebuilds it."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

import resunit
from resunit.errors import FileFormatError, ForeignFile, UsageError
from resunit.io.fields import check_value, from_json, to_json
from resunit.io.tensors import NO_METADATA, read_record, read_tensors, write_tensors
from resunit.models.design_source import DesignSource
from resunit.models.designs import DESIGNS, unknown_design
from resunit.models.input_channels import adapt_input
from resunit.models.network import NetworkSpec, ResidualNetwork, build
from resunit.models.wrappers import drop_wrappers, unwrap
from resunit.runs.folder import KIND_OF_CHECKPOINT
from resunit.runs.record_files import format_of

KIND = "resunit"
KIND_OF_MODULE = "resunit-module"
WEIGHTS_FORMAT = 2

# Format 1 had these names for some parts of a network.
PARTS_SINCE_FORMAT_1 = {"before": "shared_preact", "after": "after_addition", "closing": "final_activation"}
# These fields are left out of a file where they have their defaults, so that files of older networks stay the same
# byte for byte.
FIELDS_SINCE_FORMAT_2 = ("bottleneck_ratio", "deep_stem", "stem_activation")


@dataclass(frozen=True)
class NetworkRecord:
    """The record of a network in a file: everything that prediction needs beside the network itself.

    Attributes:
        classes: the names of the classes, in the order of the logits.
        preprocessing: image_size and what `data.Normalisation.to_json` gives.
        result: the run's result as JSON values, without its timings.
    """

    path: Path
    classes: tuple[str, ...]
    preprocessing: Mapping[str, Any]
    result: Mapping[str, Any]


@dataclass(frozen=True)
class WeightsFile(NetworkRecord):
    """The content of a weights file: the record of its network, the spec and the tensors.

    Attributes:
        tensors: parameters and buffers by name.
    """

    spec: NetworkSpec
    tensors: Mapping[str, Tensor]

    def build(self, *, num_classes: int | None = None, in_channels: int | None = None) -> ResidualNetwork:
        """Return the network with the stored weights.

        Args:
            num_classes: another number than the stored one gives a fresh classifier, and 0 the features; None keeps
                the classifier.
            in_channels: another number than the stored one adapts the first convolution; None keeps it.

        Raises:
            FileFormatError: the weights do not fit the network that the file names.
            UsageError: a number is out of its bounds.
        """
        network = self._build()
        if in_channels not in (None, self.spec.in_channels):
            adapt_input(network.stem, in_channels)
        if num_classes not in (None, self.spec.num_classes):
            network.reset_classifier(num_classes)
        return network

    def _build(self) -> ResidualNetwork:
        try:
            # A unit has weights, as the convolutions of a deep stem have, and building takes time for each.
            if (units := sum(self.spec.depths) + len(self.spec.deep_stem)) > len(self.tensors):
                raise ValueError(f"it has {units:,} units, and the file {len(self.tensors):,} tensors")
            with torch.device("meta"):
                network = build(self.spec)
            # A run in fp64 stores float64; a network that is used elsewhere computes in float32 as all others do.
            tensors = {
                name: tensor.float() if tensor.dtype == torch.float64 else tensor
                for name, tensor in self.tensors.items()
            }
            network.load_state_dict(with_current_names(tensors, network), assign=True)
        except (RuntimeError, TypeError, ValueError) as error:
            reason = str(error).splitlines()[-1].strip()
            raise FileFormatError(f"{self.path}: does not fit the network it names: {reason}") from error
        return network


@dataclass(frozen=True)
class RecordedDesign:
    """The design that a weights file names, and the file of its code, if it is the user's own."""

    name: str
    source: DesignSource | None


def read_design(path: Path) -> RecordedDesign:
    """Return the design that a weights file names; no tensor is read, and no code is imported.

    Raises:
        ForeignFile: resunit did not write the file; the message says how to convert it.
        FileFormatError: the file is missing or damaged; the message names it.
    """
    with _advice_for_foreign(path):
        record = read_record(path, KIND)
    try:
        source = record.get("design_source")
        return RecordedDesign(
            str(record["network"]["design"]), None if source is None else from_json(DesignSource, source)
        )
    except (KeyError, AttributeError, TypeError, UsageError) as error:
        raise FileFormatError(f"{path}: its record is damaged ({error})") from error


def with_current_names(tensors: Mapping[str, Tensor], network: nn.Module) -> dict[str, Tensor]:
    """Return `tensors` of a file under the names that the parameters and buffers of `network` have.

    An older file names some parts otherwise, and wrappers such as torch.compile's put prefixes before names. A name
    changes only if `network` has no such tensor and has one of the new name. What follows the name of a
    parameter, such as the momentum of an optimizer, stays behind it.
    """
    known = network.state_dict().keys()

    def current(name: str) -> str:
        own = drop_wrappers(name)
        renamed = ".".join(PARTS_SINCE_FORMAT_1.get(part, part) for part in own.split("."))
        return next((candidate for candidate in (name, own, renamed) if _is_known(candidate)), name)

    def _is_known(name: str) -> bool:
        return name in known or name.rpartition(".")[0] in known

    return {current(name): tensor for name, tensor in tensors.items()}


def write_weights(
    path: Path,
    model: nn.Module,
    spec: NetworkSpec,
    *,
    classes: tuple[str, ...],
    preprocessing: Mapping[str, Any],
    result: Mapping[str, Any],
    design_source: DesignSource | None = None,
    more_metadata: Mapping[str, str] = NO_METADATA,
) -> None:
    """Write `model`'s tensors and all that prediction needs, whole or not at all.

    Args:
        path: the file; its folder must exist.
        model: the network of `spec`; of one that torch.compile, DataParallel or DistributedDataParallel wraps, the
            network itself is written.
        spec: the network's spec.
        classes: the names of the classes, in the order of the logits.
        preprocessing: image_size and what `data.Normalisation.to_json` gives.
        result: the run's result as JSON values, without its timings.
        design_source: the file with the code of the design, for a design of the user's own.
        more_metadata: further metadata keys, such as the "format" that other libraries look for.

    Raises:
        WriteError: the operating system refused to write the file.
    """
    record = record_to_json(spec, classes, preprocessing, result)
    if design_source is not None:
        record["design_source"] = to_json(design_source)
    tensors = {drop_wrappers(name): tensor for name, tensor in unwrap(model).state_dict().items()}
    write_tensors(path, KIND, record, tensors, more_metadata)


def record_to_json(
    spec: NetworkSpec, classes: tuple[str, ...], preprocessing: Mapping[str, Any], result: Mapping[str, Any]
) -> dict[str, Any]:
    """Return what a file says of its network, as JSON values; the arguments are those of `write_weights`."""
    return _join_record({"network": spec_to_json(spec)}, classes, preprocessing, result)


def _join_record(
    network: Mapping[str, Any],
    classes: tuple[str, ...],
    preprocessing: Mapping[str, Any],
    result: Mapping[str, Any],
) -> dict[str, Any]:
    """Return a record of the newest format; `network` has the one field that says what the network is."""
    return {
        "format": WEIGHTS_FORMAT,
        "resunit": resunit.__version__,
        **network,
        "classes": list(classes),
        "preprocessing": dict(preprocessing),
        "result": dict(result),
    }


def record_from_json(path: Path, record: Mapping[str, Any]) -> NetworkRecord:
    """Return what the file `path` says of its network, from the JSON values of `record_to_json`.

    Raises:
        FileFormatError: the record is of a newer format.
        UsageError: a field is of another type; the message names it.
        KeyError: a field is missing.
    """
    format_of(record, WEIGHTS_FORMAT, str(path))
    classes = check_value("classes", record["classes"], tuple[str, ...])
    preprocessing = check_value("preprocessing", record["preprocessing"], Mapping[str, Any])
    result = check_value("result", record["result"], Mapping[str, Any])
    for name in ("data", "precision"):
        check_value(f"result.{name}", result.get(name), str | None)
    return NetworkRecord(path, classes, preprocessing, result)


def write_weights_of_module(
    path: Path,
    module: nn.Module,
    *,
    name: str,
    classes: tuple[str, ...],
    preprocessing: Mapping[str, Any],
    result: Mapping[str, Any],
) -> None:
    """Write the tensors of a module that is no network of resunit; only its own code can build it again.

    `safetensors.torch.load_file(path)` gives its state dict. `name` is the name of the module's class, for messages;
    the other arguments are those of `write_weights`.

    Raises:
        WriteError: the operating system refused to write the file.
    """
    record = _join_record({"module": name}, classes, preprocessing, result)
    write_tensors(path, KIND_OF_MODULE, record, module.state_dict())


def is_weights_file(path: Path) -> bool:
    """Return whether resunit wrote a file as the weights of a network; no tensor is read."""
    return _record_of_kind(path, KIND) is not None


def read_weights(path: Path) -> WeightsFile:
    """Read a weights file of any format up to the newest.

    Raises:
        ForeignFile: resunit did not write the file; the message says how to convert it.
        FileFormatError: the file is missing, damaged, or of a newer format; the message names it.
    """
    with _advice_for_foreign(path):
        record, tensors = read_tensors(path, KIND)
    try:
        stored = record_from_json(path, record)
        spec = spec_from_json(record["network"])
        if len(stored.classes) != spec.num_classes:
            raise ValueError(f"{len(stored.classes)} class names for {spec.num_classes} classes")
    except UsageError as error:
        raise FileFormatError(f"{path}: {error}") from error
    except (KeyError, AttributeError, TypeError, ValueError) as error:
        raise FileFormatError(f"{path}: its record is damaged ({error})") from error
    _check_finite(path, tensors)
    return WeightsFile(**vars(stored), spec=spec, tensors=tensors)


@contextmanager
def _advice_for_foreign(path: Path) -> Iterator[None]:
    """Say in the message of a ForeignFile how another library's weights are converted."""
    try:
        yield
    except ForeignFile as error:
        if (of_module := _record_of_kind(path, KIND_OF_MODULE)) is not None:
            raise FileFormatError(
                f"{path}: the weights of {of_module.get('module')}, which Python code gave to a run; only that code "
                "can build it, and safetensors.torch.load_file reads its state dict"
            ) from error
        if _record_of_kind(path, KIND_OF_CHECKPOINT) is not None:
            raise FileFormatError(
                f"{path}: a checkpoint, which holds no description of its network; name the folder of the run"
            ) from error
        raise ForeignFile(
            f"{error}; to take another library's weights: resunit convert {path} --from LIBRARY --architecture "
            "NAME --out weights.safetensors"
        ) from error


def _record_of_kind(path: Path, kind: str) -> dict[str, Any] | None:
    try:
        return read_record(path, kind)
    except FileFormatError:
        return None


def _check_finite(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Raise FileFormatError for a tensor with NaN or infinity, which would make every answer NaN."""
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not bool(tensor.isfinite().all()):
            raise FileFormatError(
                f"{path}: {name} holds numbers that are not finite; the run diverged or the file was altered, "
                "so take weights of another run"
            )


def spec_to_json(spec: NetworkSpec) -> dict[str, Any]:
    """Return a spec as JSON values; a field that is newer than the format is left out where it has its default."""
    defaults = {field.name: field.default for field in fields(NetworkSpec)}
    unchanged = {name for name in FIELDS_SINCE_FORMAT_2 if getattr(spec, name) == defaults[name]}
    return {name: value for name, value in to_json(spec).items() if name not in unchanged}


def spec_from_json(record: Mapping[str, Any]) -> NetworkSpec:
    """Return the spec in a weights file; absent fields get their defaults.

    Raises:
        UsageError: a field is unknown, ill-typed or out of its bounds, or the design is not known.
    """
    current = dict(record)
    if "widening" in current:
        current["shortcut_option"] = current.pop("widening")
    spec = from_json(NetworkSpec, current)
    if spec.design not in DESIGNS:
        raise unknown_design(spec.design)
    if odd := set(spec.design_options) - set(DESIGNS[spec.design].options):
        raise UsageError(f"the design {spec.design} has no option {min(odd)!r}")
    if len({len(spec.depths), len(spec.widths), len(spec.strides)}) > 1:
        raise UsageError("depths, widths and strides must have one number for each stage")
    return spec
