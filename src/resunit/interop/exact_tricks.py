"""Three changes of numbers after which two conventions compute the same in evaluation.

Batch norm gives (x - mean) / sqrt(var + epsilon). Another epsilon moves into var, and a bias before it into mean.
Channels of the stream may be renumbered, if all layers that write and read it are.
"""

from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor

from resunit.interop.layers import LayerPlace
from resunit.models.network import NetworkSpec


def with_epsilon(variance: Tensor, source: float, target: float) -> Tensor:
    """Return the variance that gives with `target` what `variance` gives with `source`.

    Raises:
        ValueError: it would be negative.
    """
    moved = (variance.double() + (source - target)).to(variance.dtype)
    if (moved < 0).any():
        raise ValueError(
            f"a running variance of {variance.min().item():.3g} cannot take up the change of epsilon from "
            f"{source:g} to {target:g}"
        )
    return moved


def without_bias(mean: Tensor, bias: Tensor) -> Tensor:
    """Return the running mean that gives without `bias` what `mean` gives with it."""
    return mean - bias


def stream_orders(spec: NetworkSpec) -> list[Tensor]:
    """Return where each of our channels stands in a network that pads zeros on both sides.

    Returns:
        The order of the stem's channels and of each stage's; its entry j is the other network's number of our
        channel j. Our shortcut option A keeps channels 0 to C - 1 and adds the rest; the other one puts the C old
        channels behind half of the new ones.
    """
    orders = [torch.arange(spec.stem_channels)]
    for width in spec.widths:
        before = orders[-1]
        added = width - len(before)
        kept = before + added // 2
        rest = torch.tensor(sorted(set(range(width)) - set(kept.tolist())), dtype=torch.int64)
        orders.append(torch.cat([kept, rest]))
    return orders


def reorder(
    tensors: Mapping[str, Tensor], layers: Iterable[LayerPlace], spec: NetworkSpec, orders: Sequence[Tensor]
) -> dict[str, Tensor]:
    """Return a network's tensors with the channels of the stream in another order.

    Args:
        tensors: our tensors by name.
        layers: the network's layers.
        spec: the network's spec.
        orders: for the stem and each stage, which of the present channels stands at each new place.
    """
    moved = dict(tensors)
    last = {(layer.stage, layer.unit, layer.kind): layer.path for layer in layers if layer.place == "branch"}
    for layer in layers:
        written, read = _stream(layer, last, spec)
        for name in [name for name in tensors if name.rpartition(".")[0] == layer.path]:
            tensor = tensors[name]
            if written is not None and tensor.ndim:
                tensor = tensor.index_select(0, orders[written])
            if read is not None and tensor.ndim > 1:
                tensor = tensor.index_select(1, orders[read])
            moved[name] = tensor
    return moved


def _stream(
    layer: LayerPlace, last: Mapping[tuple[int, int, str], str], spec: NetworkSpec
) -> tuple[int | None, int | None]:
    """Return whose order a layer's output channels have and whose its input channels, as numbers of `orders`.

    The branches of the network begin with a convolution, and end with a norm.
    """
    before = layer.stage + (layer.unit > 0)
    if layer.place == "stem":
        return 0, None
    if layer.place == "classifier":
        return None, len(spec.widths)
    if layer.place == "shortcut":
        return layer.stage + 1, before
    is_last = last[layer.stage, layer.unit, layer.kind] == layer.path
    reads = layer.kind == "conv" and layer.number == 0
    return layer.stage + 1 if is_last else None, before if reads else None
