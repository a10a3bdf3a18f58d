"""uint8 images -> the numbers a network sees. The weights file keeps it, so that `predict` sees the same."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from resunit.errors import UsageError


@dataclass(frozen=True, eq=False)
class Normalisation:
    """(x / 255 - mean) / std; zero is the mean colour, which is what augmentation pads with.

    "channel": `mean` and `std` (3, 1, 1), those of each channel over the training images.
    "pixel": `mean` (3, H, W), the mean training image (the paper's "per-pixel mean subtracted"), and `std`
    (1, 1, 1), one number for everything that is left. The paper divides by nothing; we divide so that
    activations start at the scale the initialisation assumes. Batch norm after the first convolution makes
    the scale immaterial from there on.
    """

    kind: Literal["channel", "pixel"]
    mean: Tensor
    std: Tensor

    @classmethod
    def fit(cls, images: Tensor, kind: Literal["channel", "pixel"]) -> Normalisation:
        """The statistics of the (N, 3, H, W) uint8 training images, exact up to the final rounding."""
        if kind == "channel":
            mean, std = _channel_statistics(images)
        elif kind == "pixel":
            mean, std = _pixel_statistics(images)
        else:
            raise UsageError(f"unknown normalisation {kind!r}; known: channel, pixel")
        return cls(kind, mean.float(), std.clamp_min(1 / 255).float())  # a constant image stays finite

    @classmethod
    def of_imagenet(cls) -> Normalisation:
        """ImageNet's published statistics (fb.resnet.torch), for images that are not all read beforehand."""
        mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
        return cls("channel", mean.view(3, 1, 1), std.view(3, 1, 1))

    def __call__(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) uint8 -> (B, 3, H, W) float32, channels last."""
        images = images.to(torch.float32, memory_format=torch.channels_last)
        return images.mul_(self.scale).sub_(self.offset)

    @cached_property
    def scale(self) -> Tensor:
        return 1 / (255 * self.std)

    @cached_property
    def offset(self) -> Tensor:
        return self.mean / self.std

    def undo(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) normalised -> (B, 3, H, W) uint8, for people to look at."""
        return ((images * self.std + self.mean) * 255).round().clamp(0, 255).to(torch.uint8)

    def to(self, device: torch.device | str) -> Normalisation:
        return Normalisation(self.kind, self.mean.to(device), self.std.to(device))

    def to_json(self) -> dict:
        return {"kind": self.kind, "mean": self.mean.tolist(), "std": self.std.tolist()}

    @classmethod
    def from_json(cls, document: dict) -> Normalisation:
        return cls(document["kind"], torch.tensor(document["mean"]), torch.tensor(document["std"]))


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
    """(3, 256) int64: how often each channel has each value."""
    channels = images.unbind(1)
    return torch.stack([torch.bincount(channel.flatten(), minlength=256) for channel in channels]).cpu()
