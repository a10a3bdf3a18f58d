"""The normalisation of images: uint8 becomes the numbers that a network sees.

A weights file keeps the normalisation, so that prediction sees the same numbers as training.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, get_args

import numpy as np
import torch
from torch import Tensor

from resunit.errors import unknown
from resunit.io.fields import check_value

NormalisationKind = Literal["channel", "pixel"]


@dataclass(frozen=True, eq=False)
class Normalisation:
    """The map (x / 255 - mean) / std. It takes the mean colour to zero, which augmentation pads with.

    The paper subtracts the per-pixel mean and divides by nothing. We divide too, so that activations start at
    the scale that the initialisation assumes. Batch norm after the first convolution makes that scale
    immaterial.
    """

    kind: NormalisationKind
    """"channel" has statistics of each channel; "pixel" has the mean image and one deviation."""
    mean: Tensor
    """(3, 1, 1) or, by pixel, (3, H, W), for images from 0 to 1."""
    std: Tensor
    """(3, 1, 1) or, by pixel, (1, 1, 1), of what is left after the mean is subtracted."""

    @classmethod
    def fit(cls, images: Tensor, kind: NormalisationKind) -> Normalisation:
        """Return the normalisation whose statistics are exactly the images', up to the final rounding.

        Args:
            images: (N, 3, H, W) uint8, the training images.
            kind: "channel" or "pixel".

        Raises:
            UsageError: `kind` is unknown.
        """
        if kind == "channel":
            mean, std = _channel_statistics(images)
        elif kind == "pixel":
            mean, std = _pixel_statistics(images)
        else:
            raise unknown("normalisation", kind, get_args(NormalisationKind))
        # Images of one colour have no deviation; the smallest step between colours keeps them finite.
        return cls(kind, mean.float(), std.clamp_min(1 / 255).float())

    @classmethod
    def of_imagenet(cls) -> Normalisation:
        """Return ImageNet's statistics as fb.resnet.torch published them, for images that stay on disk."""
        mean, std = (
            torch.tensor(values, dtype=torch.float32).view(3, 1, 1)
            for values in ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
        )
        return cls("channel", mean, std)

    def __call__(self, images: Tensor) -> Tensor:
        """Return images (B, 3, H, W) uint8 as float32 of the same shape, in memory format channels last."""
        images = images.to(torch.float32, memory_format=torch.channels_last)
        return images.mul_(self.scale).sub_(self.offset)

    @cached_property
    def scale(self) -> Tensor:
        """The factor 1 / (255 std) that images from 0 to 255 are multiplied with."""
        return 1 / (255 * self.std)

    @cached_property
    def offset(self) -> Tensor:
        """The number mean / std that is subtracted after that."""
        return self.mean / self.std

    def undo(self, images: Tensor) -> Tensor:
        """Return normalised images (B, 3, H, W) as uint8 of the same shape, for people to look at."""
        return ((images * self.std + self.mean) * 255).round().clamp(0, 255).to(torch.uint8)

    def to(self, device: torch.device | str) -> Normalisation:
        """Return the same normalisation on `device`."""
        return Normalisation(self.kind, self.mean.to(device), self.std.to(device))

    def to_json(self) -> dict[str, Any]:
        """Return the normalisation as values that JSON can hold; it keeps every bit."""
        return {"kind": self.kind, "mean": self.mean.tolist(), "std": self.std.tolist()}

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Normalisation:
        """Return the normalisation that `to_json` gave as `document`.

        Raises:
            UsageError: the kind is unknown.
            KeyError, TypeError, ValueError: mean or std is missing or holds no numbers.
        """
        kind = check_value("normalisation.kind", document["kind"], NormalisationKind)
        mean, std = (torch.tensor(document[name], dtype=torch.float32) for name in ("mean", "std"))
        return cls(kind, mean, std)


def _channel_statistics(images: Tensor) -> tuple[Tensor, Tensor]:
    values = torch.arange(256, dtype=torch.float64) / 255
    shares = _histogram(images).double() / (images.numel() / 3)
    mean = shares @ values
    variance = (shares * (values - mean[:, None]).square()).sum(1)
    return mean.view(3, 1, 1), variance.sqrt().view(3, 1, 1)


def _pixel_statistics(images: Tensor) -> tuple[Tensor, Tensor]:
    # NumPy sums bytes over the first axis ten times faster than torch does.
    total = torch.from_numpy(images.cpu().numpy().sum(0, dtype=np.int64))
    mean = total.double() / (255 * len(images))
    squares = (torch.arange(256, dtype=torch.float64) / 255).square()
    mean_square = (_histogram(images).double() @ squares).sum() / images.numel()
    variance = mean_square - mean.square().mean()
    return mean, variance.clamp_min(0).sqrt().view(1, 1, 1)


def _histogram(images: Tensor) -> Tensor:
    """Return how often each channel has each value: (3, 256) int64."""
    channels = images.unbind(1)
    return torch.stack([torch.bincount(channel.flatten(), minlength=256) for channel in channels]).cpu()
