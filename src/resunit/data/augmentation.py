"""Shifts and mirror images: an epoch's random choices are drawn at once as a table, and then applied."""

import hashlib
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True)
class Augmentation:
    """How training images are changed at random."""

    padding: int = 4
    """Pixels that "shift" adds to each side."""
    padding_mode: Literal["zeros", "reflect"] = "zeros"
    flip: Literal["random", "alternating", "none"] = "random"
    """"random" mirrors each image half of the time. "alternating" mirrors it in every second epoch, beginning
    at random (Jordan 2024, airbench), so that two epochs show an image and its mirror image."""
    crop: Literal["shift", "scale", "scale-aspect"] = "shift"
    """"shift" pads each image and crops it back to its size at a random offset. "scale" and "scale-aspect"
    crop streamed images; `crops.TrainingCrop` says how."""
    colour: bool = False
    """Whether the colours of streamed images change too."""
    rand_augment: int | None = None
    """The magnitude of RandAugment's operations; None for no operations."""
    random_erasing: float = 0.0
    """The share of images that get a rectangle of the mean colour."""


@dataclass(frozen=True)
class EpochPlan:
    """The random choices of one epoch over N images.

    All fields except `order` are looked up by an image's index, so neither the batch size nor the world size
    nor resuming changes what happens to an image.
    """

    order: Tensor
    """The indices (N,) int64 of the images in the order of the epoch."""
    offsets: Tensor
    """The offsets (N, 2) int64 of each image's crop, down and to the right."""
    flips: Tensor
    """Whether (N,) bool each image is mirrored."""
    seeds: Tensor
    """The seeds (N,) int64 for what is drawn for one image alone: a crop of a streamed image, RandAugment, erasing."""
    drawn: Tensor | None = None
    """The image (N,) int64 that each index stands for, where images are drawn with replacement: an image that was
    drawn twice is then augmented in two ways. None where each index is that of an image."""

    def images_at(self, indices: Tensor) -> Tensor:
        """Return the images that `indices` of this plan stand for."""
        return indices if self.drawn is None else self.drawn[indices]


def epoch_plan(
    seed: int, epoch: int, images: int, augmentation: Augmentation, chances: Tensor | None = None
) -> EpochPlan:
    """Return the plan of an epoch over `images` images, which depends on the arguments alone.

    Args:
        seed: the run's seed.
        epoch: the number of the epoch, counted from 0.
        images: the number of images.
        augmentation: its `padding` and `flip` are used.
        chances: (images,), positive numbers in proportion to which images are drawn with replacement; None shows
            each image once.
    """
    generator = _generator(seed, f"epoch {epoch}")
    order = torch.randperm(images, generator=generator)
    offsets = torch.randint(0, 2 * augmentation.padding + 1, (images, 2), generator=generator)
    if augmentation.flip == "random":
        flips = _half_of(images, generator)
    elif augmentation.flip == "alternating":
        flips = _half_of(images, _generator(seed, "first flips")) ^ (epoch % 2 == 1)
    else:
        flips = torch.zeros(images, dtype=torch.bool)
    seeds = torch.randint(0, 2**32, (images,), generator=generator)
    if chances is None:
        return EpochPlan(order, offsets, flips, seeds)
    drawing = _generator(seed, f"drawn images of epoch {epoch}")
    drawn = torch.multinomial(chances, images, replacement=True, generator=drawing)
    return EpochPlan(order, offsets, flips, seeds, drawn)


def augment(images: Tensor, offsets: Tensor, flips: Tensor, augmentation: Augmentation) -> Tensor:
    """Return `images` shifted and mirrored.

    Args:
        images: (B, C, H, W), normalised, so that zeros are the mean colour.
        offsets: (B, 2) int64, down and to the right; an offset of `augmentation.padding` shifts nothing.
        flips: (B,) bool, whether each image is mirrored.
        augmentation: its `padding` and `padding_mode` are used.

    Returns:
        (B, C, H, W) in memory format channels last.
    """
    batch, channels, height, width = images.shape
    offsets, flips = offsets.to(images.device), flips.to(images.device)
    mode = "constant" if augmentation.padding_mode == "zeros" else "reflect"
    padded = functional.pad(images, (augmentation.padding,) * 4, mode=mode).permute(0, 2, 3, 1)

    # One gather crops and mirrors: each pixel of the result is looked up in the padded batch.
    down, right = (torch.arange(side, device=images.device) for side in (height, width))
    down = offsets[:, :1] + down
    right = offsets[:, 1:] + torch.where(flips[:, None], right.flip(0), right)
    lines = torch.arange(batch, device=images.device)[:, None] * padded.shape[1] + down
    pixels = lines[:, :, None] * padded.shape[2] + right[:, None, :]
    gathered = padded.reshape(-1, channels).index_select(0, pixels.flatten())
    return gathered.view(batch, height, width, channels).permute(0, 3, 1, 2)


def _half_of(images: int, generator: torch.Generator) -> Tensor:
    # The dtype is given, because the host program may have set another default, which would draw other numbers.
    return torch.rand(images, generator=generator, dtype=torch.float32) < 0.5


def _generator(seed: int, purpose: str) -> torch.Generator:
    """Return a generator for one purpose; the seed is hashed because torch uses only 32 bits of it."""
    digest = hashlib.sha256(f"{seed} {purpose}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:4], "big"))
