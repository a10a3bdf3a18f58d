"""The conversion of a file: another library's weights become a weights.safetensors of resunit."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor

from resunit.data.normalisation import Normalisation
from resunit.errors import FileFormatError, UsageError
from resunit.interop.class_names import class_names
from resunit.interop.fitting import find_fitting
from resunit.interop.foreign_file import ForeignState, read_foreign, select_network
from resunit.interop.library import OUR_EPSILON, Architecture, Library, LibraryPreprocessing
from resunit.interop.mapping import to_ours
from resunit.interop.registry import find_architecture, find_library
from resunit.io.format import format_count
from resunit.io.places import user_path
from resunit.models.network import NetworkSpec, build
from resunit.models.summary import count_parameters
from resunit.models.weights import is_weights_file, write_weights

OUR_MOMENTUM = 0.1
MOST_NAMED = 2  # architectures or tensors that a message names
CONFIGURATION = "config.json"  # Hugging Face's folders have one beside the weights.


@dataclass(frozen=True)
class Conversion:
    """What a conversion read and wrote.

    Attributes:
        weights: the path of the file that was written.
        source: the path of the other library's file.
        library: the library's name.
        architecture: the library's name for the network.
        parameters: the number of parameters.
        classes: the number of classes; 0 for a network without a classifier.
        notes: sentences: what was changed so that evaluation is the same, and what training would do otherwise.
    """

    FORMAT: ClassVar[int] = 1

    weights: str
    source: str
    library: str
    architecture: str
    parameters: int
    classes: int
    notes: tuple[str, ...]
    format: int = FORMAT


def convert(source: str | Path, out: str | Path, *, library: str, architecture: str) -> Conversion:
    """Write another library's weights as a weights file of resunit, whole or not at all.

    In evaluation the network gives the logits that the other library's network gives, but for rounding. Of a file
    without a classifier, such as timm's with num_classes=0, it gives the features (N, num_features).

    Args:
        source: the library's file.
        out: the weights file to write, such as weights.safetensors; its folder must exist.
        library: the library's name, a key of `registry.LIBRARIES`.
        architecture: the library's name for the network.

    Raises:
        UsageError: the library or the architecture is unknown or cannot be expressed, or `out` is no place to write.
        FileFormatError: the file is missing, damaged, holds more than tensors, or is of another architecture.
        WriteError: the operating system refused to write the file.
    """
    source, out = user_path(source), user_path(out)
    chosen = find_library(library)
    named = find_architecture(chosen, architecture)
    check_configuration(source, chosen, named)
    if out.suffix != ".safetensors":
        raise UsageError(f"{out}: a weights file ends in .safetensors")
    if not out.parent.is_dir():
        raise UsageError(f"{out.parent}: no such folder")
    if out.is_dir():
        raise UsageError(f"{out}: is a folder; name a file")
    if out.exists() and source.exists() and out.samefile(source):
        raise UsageError(f"{out}: is the file to be converted; name another")
    if is_weights_file(source):
        raise UsageError(
            f"{source}: is a weights file of resunit, which needs no conversion; use it as it is"
        )
    state = read_foreign(source)
    stem = f"{named.layers.stem_convs[0]}.{chosen.parameters.weight}"
    if stem not in chosen.rename(state.tensors):
        state = select_network(state, stem, source)
    try:
        spec, tensors = to_ours(state.tensors, chosen, named, str(source))
    except FileFormatError as error:
        others = islice(find_fitting(state.tensors, chosen), MOST_NAMED)
        if named_others := " or ".join(f"--from {whose} --architecture {name}" for whose, name in others):
            raise FileFormatError(f"{error}: {named_others}") from error
        raise
    with torch.device("meta"):
        network = build(spec)
    network.load_state_dict(tensors, assign=True)
    fitted = chosen.fit(named, chosen.rename(state.tensors))
    notes = describe_conversion(state, chosen, fitted, spec)
    classes = class_names(spec, fitted.preprocessing)
    write_weights(
        out,
        network,
        spec,
        classes=classes,
        preprocessing=preprocessing_to_json(fitted.preprocessing),
        result={
            "converted_from": {
                "library": chosen.name,
                "architecture": named.name,
                "file": source.name,
                "notes": list(notes),
            }
        },
    )
    return Conversion(
        str(out), str(source), chosen.name, named.name, count_parameters(network), len(classes), notes
    )


def check_configuration(source: Path, library: Library, architecture: Architecture) -> None:
    """Refuse an architecture that the library's configuration beside the file contradicts.

    Raises:
        UsageError: the configuration describes another network.
    """
    beside = source.parent / CONFIGURATION
    if library.from_config is None or not beside.is_file():
        return
    described = library.from_config(beside).spec
    if described != replace(
        architecture.spec, num_classes=described.num_classes, in_channels=described.in_channels
    ):
        raise UsageError(
            f"{beside} describes another network than {architecture.name}; --architecture {beside}"
        )


def describe_conversion(
    state: ForeignState, library: Library, architecture: Architecture, spec: NetworkSpec
) -> tuple[str, ...]:
    """Return what a user has to know of a conversion, as sentences."""
    conventions = architecture.conventions
    notes = []
    if state.taken_from:
        what = "averaged weights" if state.is_average else "weights"
        notes.append(f"The {what} were taken from the file's {'.'.join(state.taken_from)}.")
    if state.prefix:
        notes.append(
            f"The network's tensors are those whose names begin with {state.prefix!r}{_describe_others(state)}."
        )
    if not spec.num_classes:
        notes.append(
            "The file has no classifier, so the network gives features; `resunit train --weights` and num_classes=N of "
            "create_model add a fresh classifier."
        )
    if (other := other_types(state.tensors)) is not None:
        notes.append(f"Numbers were stored as {other}; they are float32 now.")
    if conventions.epsilon != OUR_EPSILON:
        notes.append(
            f"The difference of batch norm's epsilon ({conventions.epsilon:g} in {library.name}, {OUR_EPSILON:g} "
            f"here) is in the running variances; training with batch statistics uses {OUR_EPSILON:g}."
        )
    if conventions.momentum != OUR_MOMENTUM:
        notes.append(
            f"In training, a batch's statistics enter the running statistics with the weight {OUR_MOMENTUM:g}; in "
            f"{library.name} it is {conventions.momentum:g}."
        )
    if conventions.convolution_biases:
        notes.append(
            "The convolutions' biases are in the running means; training with batch statistics cancels such biases."
        )
    if conventions.zeros_on_both_sides and spec.shortcut_option == "A":
        notes.append("The channels of the stages have another order; this changes nothing in training.")
    if conventions.input_order == "BGR":
        notes.append("The first convolution takes RGB images; in the file it takes BGR.")
    return tuple(notes)


def other_types(tensors: Mapping[str, Tensor]) -> str | None:
    """Return the name of a type other than float32 that a state dict's numbers have, if they have one."""
    types = {tensor.dtype for tensor in tensors.values() if tensor.is_floating_point()} - {torch.float32}
    return ", ".join(sorted(str(dtype).removeprefix("torch.") for dtype in types)) or None


def _describe_others(state: ForeignState) -> str:
    if not state.left_out:
        return ""
    shown = ", ".join(state.left_out[:MOST_NAMED])
    return f"; {format_count(len(state.left_out), 'other tensor')} left out, such as {shown}"


def preprocessing_to_json(preprocessing: LibraryPreprocessing) -> dict[str, Any]:
    """Return the preprocessing of images as a weights file holds it."""
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (preprocessing.mean, preprocessing.std))
    record: dict[str, Any] = {
        "image_size": preprocessing.image_size,
        "normalisation": Normalisation("channel", mean, std).to_json(),
    }
    if preprocessing.shorter_side is not None:
        record["shorter_side"] = preprocessing.shorter_side
    return record
