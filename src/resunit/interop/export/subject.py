"""What is exported: a trained network that takes one layout of images, with real images to check it on."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from resunit.data.normalisation import Normalisation
from resunit.inference.exported import InputLayout
from resunit.models.weights import WeightsFile, record_to_json
from resunit.training.preprocessing import Preprocessing


@dataclass(frozen=True)
class ExportSubject:
    """A network to export."""

    file: WeightsFile
    network: nn.Module
    """In evaluation mode, in float32, on the CPU; it takes images in `layout`."""
    layout: InputLayout
    preprocessing: Preprocessing
    examples: Tensor
    """(N, ...) real images in `layout`."""
    expected: Tensor
    """(N, classes) the logits of the examples, which the network itself computed."""
    origin: str
    """The data set of the examples."""

    def blank_batch(self) -> Tensor:
        """Return two black images in the layout, as an example for exporters.

        With one image, they would fix the size of the batch. A real image would be stored in a .pt2 file.
        """
        return torch.zeros(2, *self.examples.shape[1:], dtype=self.examples.dtype)

    def record(self, versions: Mapping[str, str]) -> dict[str, Any]:
        """Return what an exported file says of its network: the record of a weights file, and the input's layout.

        Args:
            versions: the versions of the libraries that made the file, beside torch.
        """
        file = self.file
        record = record_to_json(file.spec, file.classes, file.preprocessing, file.result)
        return record | {"input": self.layout, "versions": {"torch": torch.__version__, **versions}}


class BytesNetwork(nn.Module):
    """Compute logits for bytes: images (N, 3, H, W) or (N, H, W, 3) uint8, normalised here.

    Args:
        network: takes normalised images (N, 3, H, W).
        normalisation: the network's own.
        channels_last: whether the colours are the last dimension.
    """

    def __init__(self, network: nn.Module, normalisation: Normalisation, channels_last: bool):
        super().__init__()
        self.network, self.channels_last = network, channels_last
        self.scale = nn.Buffer(normalisation.scale)
        self.offset = nn.Buffer(normalisation.offset)

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits (N, classes)."""
        if self.channels_last:
            images = images.permute(0, 3, 1, 2)
        return self.network(images.to(torch.float32) * self.scale - self.offset)


def with_layout(network: nn.Module, normalisation: Normalisation, layout: InputLayout) -> nn.Module:
    """Return a network that takes images in `layout`."""
    if layout == "float32 NCHW":
        return network
    return BytesNetwork(network, normalisation, channels_last=layout == "uint8 NHWC").eval()
