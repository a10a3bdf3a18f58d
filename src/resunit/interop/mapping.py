"""The conversion of tensors: another library's names and conventions to ours, and ours to another library's."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from resunit.errors import FileFormatError, UsageError
from resunit.interop.exact_tricks import reorder, stream_orders, with_epsilon, without_bias
from resunit.interop.layers import LayerPlace, layers_of
from resunit.interop.library import OUR_EPSILON, Architecture, Library
from resunit.io.format import format_count
from resunit.models.network import NetworkSpec, ResidualNetwork, build

TRACKED = "num_batches_tracked"
OTHER = "name the file's own architecture"  # what a user has to do whose file does not fit
MOST_PARTS = 3  # that a message names
LARGEST_SIZE = 100_000  # of classes and of input channels, as in a spec


@dataclass(frozen=True)
class Pair:
    """One tensor under both names."""

    layer: LayerPlace
    ours: str
    """Empty for a bias that our convolution has not."""
    theirs: str
    shape: tuple[int, ...]
    """The shape of their tensor."""
    field: str
    """What the tensor is: a field of `ParameterNames`."""


def to_ours(
    state: Mapping[str, Tensor], library: Library, architecture: Architecture, origin: str = "the state dict"
) -> tuple[NetworkSpec, dict[str, Tensor]]:
    """Return our spec and our tensors for a state dict of another library.

    Without tensors of the classifier the network is for 0 classes, and gives features.

    Args:
        state: the tensors by the library's names.
        library: the library.
        architecture: the architecture that the tensors are of.
        origin: the file, for the message.

    Raises:
        FileFormatError: a tensor is missing, superfluous or of another shape or type, or holds NaN.
    """
    state = library.rename(state)
    architecture = library.fit(architecture, state)
    spec = _take_sizes(state, library, architecture, origin)
    with torch.device("meta"):
        network = build(spec)
    layers = layers_of(network)
    pairs = list(_pairs(network, layers, library, architecture))
    _check(state, pairs, library, architecture, origin)
    conventions = architecture.conventions
    theirs = {pair.theirs: _convert_to_numbers(state[pair.theirs]) for pair in pairs if pair.theirs in state}
    for name, tensor in theirs.items():
        if not torch.isfinite(tensor).all():
            raise FileFormatError(f"{origin}: the tensor {name} holds NaN or infinity; take another file")
    biases = {_spot(pair.layer): theirs[pair.theirs] for pair in pairs if not pair.ours}
    tensors: dict[str, Tensor] = {}
    for pair in pairs:
        if not pair.ours:
            continue
        if pair.field == TRACKED:
            tensors[pair.ours] = state.get(pair.theirs, torch.tensor(0)).reshape(()).long()
            continue
        tensor = _layout_of_ours(theirs[pair.theirs], pair, architecture)
        if pair.field == "running_mean" and _spot(pair.layer) in biases:
            tensor = without_bias(tensor, biases[_spot(pair.layer)])
        elif pair.field == "running_var":
            try:
                tensor = with_epsilon(tensor, conventions.epsilon, OUR_EPSILON)
            except ValueError as error:
                raise FileFormatError(f"{origin}: {pair.theirs}: {error}") from error
        tensors[pair.ours] = tensor.contiguous()
    if conventions.zeros_on_both_sides and spec.shortcut_option == "A":
        tensors = reorder(tensors, layers, spec, stream_orders(spec))
    return spec, tensors


def from_ours(
    network: ResidualNetwork, spec: NetworkSpec, library: Library, architecture: Architecture
) -> dict[str, Tensor]:
    """Return a network's tensors under another library's names and in its conventions.

    Args:
        network: the network.
        spec: the network's spec.
        library: the library.
        architecture: the architecture that takes the tensors.

    Raises:
        UsageError: the architecture is another network than `spec`.
    """
    architecture = library.adapt_to_spec(architecture, spec)
    architecture = replace(
        architecture,
        spec=replace(architecture.spec, num_classes=spec.num_classes, in_channels=spec.in_channels),
    )
    if architecture.spec != spec:
        raise UsageError(f"{library.name}'s {architecture.name} is another network than this one")
    conventions = architecture.conventions
    tensors = {name: tensor.detach().cpu() for name, tensor in network.state_dict().items()}
    layers = layers_of(network)
    if conventions.zeros_on_both_sides and spec.shortcut_option == "A":
        back = [order.argsort() for order in stream_orders(spec)]
        tensors = reorder(tensors, layers, spec, back)
    state: dict[str, Tensor] = {}
    for pair in _pairs(network, layers, library, architecture):
        if not pair.ours:
            state[pair.theirs] = torch.zeros(pair.shape)
            continue
        tensor = tensors[pair.ours]
        if pair.field == "running_var":
            try:
                tensor = with_epsilon(tensor, OUR_EPSILON, conventions.epsilon)
            except ValueError as error:
                raise UsageError(f"{pair.ours}: {error}") from error
        state[pair.theirs] = _layout_of_theirs(tensor, pair, architecture).contiguous()
    return state


def _pairs(
    network: ResidualNetwork, layers: list[LayerPlace], library: Library, architecture: Architecture
) -> Iterator[Pair]:
    """Yield every tensor of the library's network with our name for it."""
    names, conventions = library.parameters, architecture.conventions
    fields = {
        "conv": {"weight": "weight"},
        "linear": {"weight": "weight", "bias": "bias"},
        "norm": {
            "weight": "gamma",
            "bias": "beta",
            "running_mean": "running_mean",
            "running_var": "running_var",
            TRACKED: TRACKED,
        },
    }
    tensors = network.state_dict()
    for layer in layers:
        path = architecture.layers.of(layer)
        for ours, field in fields[layer.kind].items():
            theirs = getattr(names, field)
            if not theirs:
                continue
            tensor = tensors[f"{layer.path}.{ours}"]
            pair = Pair(layer, f"{layer.path}.{ours}", f"{path}.{theirs}", tuple(tensor.shape), field)
            yield replace(pair, shape=_their_shape(pair, architecture))
        if conventions.convolution_biases and layer.kind == "conv":
            channels = tensors[f"{layer.path}.weight"].shape[0]
            yield Pair(layer, "", f"{path}.{names.bias}", (channels,), "bias")


def has_classifier(state: Mapping[str, Tensor], architecture: Architecture) -> bool:
    """Return whether a state dict has tensors of the classifier; that of a feature extractor has none."""
    return _first_of_classifier(state, architecture) is not None


def _first_of_classifier(state: Mapping[str, Tensor], architecture: Architecture) -> str | None:
    return next((name for name in state if name.startswith(f"{architecture.layers.classifier}.")), None)


def _take_sizes(
    state: Mapping[str, Tensor], library: Library, architecture: Architecture, origin: str
) -> NetworkSpec:
    """Return the spec with the numbers of classes and input channels that the tensors have."""
    conventions, weight = architecture.conventions, library.parameters.weight
    whose = f"{library.name}'s {architecture.name}"
    axis_of_classes = 1 if conventions.classifier == "transposed" else 0
    axis_of_channels = 2 if conventions.kernels == "HWIO" else 1
    stem, head = architecture.layers.stem_convs[0], architecture.layers.classifier
    if f"{stem}.{weight}" not in state:
        raise FileFormatError(f"{origin}: has no tensor {stem}.{weight}, so it is not {whose}; {OTHER}")
    num_classes = 0
    if (found := _first_of_classifier(state, architecture)) is not None:
        needed = (f"{head}.{weight}", f"{head}.{library.parameters.bias}")
        if missing := next((name for name in needed if name not in state), None):
            raise FileFormatError(
                f"{origin}: has the tensor {found} and no {missing}, and the classifier of {whose} is one "
                f"layer with a bias; leave all tensors of {head} out, and the network gets a fresh classifier"
            )
        num_classes = _size(state, f"{head}.{weight}", axis_of_classes, origin)
    in_channels = _size(state, f"{stem}.{weight}", axis_of_channels, origin)
    return replace(architecture.spec, num_classes=num_classes, in_channels=in_channels)


def _size(state: Mapping[str, Tensor], name: str, axis: int, origin: str) -> int:
    shape = state[name].shape
    if len(shape) <= axis or not 0 < shape[axis] <= LARGEST_SIZE:
        raise FileFormatError(f"{origin}: the tensor {name} has the shape {_show_shape(shape)}")
    return shape[axis]


def _check(
    state: Mapping[str, Tensor], pairs: list[Pair], library: Library, architecture: Architecture, origin: str
) -> None:
    whose = f"{library.name}'s {architecture.name}"
    needed = [pair for pair in pairs if pair.field != TRACKED]
    if missing := [pair.theirs for pair in needed if pair.theirs not in state]:
        more = f", nor {format_count(len(missing) - 1, 'other')}" if len(missing) > 1 else ""
        raise FileFormatError(f"{origin}: has no tensor {missing[0]}{more}, which {whose} has; {OTHER}")
    if extra := sorted(set(state) - {pair.theirs for pair in pairs}):
        more = f" and {format_count(len(extra) - 1, 'other')}" if len(extra) > 1 else ""
        raise FileFormatError(
            f"{origin}: has the tensor {extra[0]}{more}, which {whose} has not; {_remedy_for_more(extra, pairs)}"
        )
    for pair in needed:
        tensor = state[pair.theirs]
        if tuple(tensor.shape) != pair.shape:
            raise FileFormatError(
                f"{origin}: the tensor {pair.theirs} has the shape {_show_shape(tensor.shape)}, and in {whose} "
                f"{_show_shape(pair.shape)}; {OTHER}"
            )
    for pair in pairs:
        tensor = state.get(pair.theirs)
        if tensor is not None and (problem := _problem(tensor, pair)):
            raise FileFormatError(
                f"{origin}: the tensor {pair.theirs} {problem}; save the state dict in float32"
            )


def _remedy_for_more(extra: Sequence[str], pairs: Sequence[Pair]) -> str:
    """Return what to do about tensors that an architecture has not, such as those of a further classifier."""
    own_parts = {pair.theirs.partition(".")[0] for pair in pairs}
    other_parts = sorted({name.partition(".")[0] for name in extra})
    if own_parts & set(other_parts):
        return OTHER
    parts = " and ".join(other_parts) if len(other_parts) <= MOST_PARTS else f"{len(other_parts)} such parts"
    return f"leave the tensors of {parts} out, because they are no part of a network that resunit builds"


def _problem(tensor: Tensor, pair: Pair) -> str:
    """Return why a tensor is no plain array of numbers, or an empty text."""
    if tensor.is_meta:
        return "has no numbers"
    if tensor.layout != torch.strided or tensor.is_quantized:
        return "is sparse or quantized"
    if pair.field == TRACKED:
        return "is no single number" if tensor.numel() != 1 else ""
    return "" if tensor.is_floating_point() else f"holds {str(tensor.dtype).removeprefix('torch.')}"


def _convert_to_numbers(tensor: Tensor) -> Tensor:
    return tensor.detach().to(torch.float32)


def _layout_of_ours(tensor: Tensor, pair: Pair, architecture: Architecture) -> Tensor:
    conventions, layer = architecture.conventions, pair.layer
    if pair.field == "weight" and layer.kind == "conv":
        if conventions.kernels == "HWIO":
            tensor = tensor.permute(3, 2, 0, 1)
        if layer.place == "stem" and layer.number == 0 and conventions.input_order == "BGR":
            tensor = tensor.flip(1)
    elif pair.field == "weight" and layer.kind == "linear":
        if conventions.classifier == "transposed":
            tensor = tensor.t()
        elif conventions.classifier == "1x1":
            tensor = tensor.flatten(1)
    return tensor


def _layout_of_theirs(tensor: Tensor, pair: Pair, architecture: Architecture) -> Tensor:
    conventions, layer = architecture.conventions, pair.layer
    if pair.field == "weight" and layer.kind == "conv":
        if layer.place == "stem" and layer.number == 0 and conventions.input_order == "BGR":
            tensor = tensor.flip(1)
        if conventions.kernels == "HWIO":
            tensor = tensor.permute(2, 3, 1, 0)
    elif pair.field == "weight" and layer.kind == "linear":
        if conventions.classifier == "transposed":
            tensor = tensor.t()
        elif conventions.classifier == "1x1":
            tensor = tensor[:, :, None, None]
    return tensor


def _their_shape(pair: Pair, architecture: Architecture) -> tuple[int, ...]:
    return tuple(_layout_of_theirs(torch.empty(pair.shape, device="meta"), pair, architecture).shape)


def _spot(layer: LayerPlace) -> tuple[str, int, int, int]:
    """Return what a convolution has in common with the norm directly after it."""
    return layer.place, layer.stage, layer.unit, layer.number


def _show_shape(shape: tuple[int, ...]) -> str:
    return f"({', '.join(map(str, shape))})"
