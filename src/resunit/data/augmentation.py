"""Shifts, crops and mirror images. Randomness is a table drawn once an epoch; applying it is a function."""

import hashlib
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True)
class Augmentation:
    """`crop` "shift": pad each side by `padding` and crop back to size anywhere. Mirror as `flip` says.

    "scale" and "scale-aspect" crop photographs, which stay on disk (crops.py); `colour` changes theirs.
    `flip` "random" mirrors each image half of the time; "alternating" mirrors it in every second epoch,
    starting at random (Jordan 2024, airbench), so that two epochs together show both.
    """

    padding: int = 4
    padding_mode: Literal["zeros", "reflect"] = "zeros"
    flip: Literal["random", "alternating", "none"] = "random"
    crop: Literal["shift", "scale", "scale-aspect"] = "shift"
    colour: bool = False


@dataclass(frozen=True)
class EpochPlan:
    """`order` (N,) int64 is the order of the images; `offsets` (N, 2) int64, `flips` (N,) bool and `seeds`
    (N,) int64, of what is drawn as an image is cropped from its file, are looked up by an image's index, so
    batch sizes, workers and resuming cannot change what happens to it."""

    order: Tensor
    offsets: Tensor
    flips: Tensor
    seeds: Tensor


def epoch_plan(seed: int, epoch: int, images: int, augmentation: Augmentation) -> EpochPlan:
    """The whole table of an epoch over `images` images, drawn from (seed, epoch) alone."""
    generator = _generator(seed, f"epoch {epoch}")
    order = torch.randperm(images, generator=generator)
    offsets = torch.randint(0, 2 * augmentation.padding + 1, (images, 2), generator=generator)
    if augmentation.flip == "random":
        flips = torch.rand(images, generator=generator) < 0.5
    elif augmentation.flip == "alternating":
        first = torch.rand(images, generator=_generator(seed, "first flips")) < 0.5
        flips = first ^ (epoch % 2 == 1)
    else:
        flips = torch.zeros(images, dtype=torch.bool)
    seeds = torch.randint(0, 2**32, (images,), generator=generator)
    return EpochPlan(order, offsets, flips, seeds)


def _generator(seed: int, purpose: str) -> torch.Generator:
    """Torch's CPU generator starts from 32 bits of its seed, so the pair is hashed down to those."""
    digest = hashlib.sha256(f"{seed} {purpose}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:4], "big"))


def augment(images: Tensor, offsets: Tensor, flips: Tensor, augmentation: Augmentation) -> Tensor:
    """(B, C, H, W) normalised images, (B, 2) offsets down and right, (B,) flips -> the same, channels last.

    Offset `padding` leaves an image where it is. Images are normalised before, so zeros are the mean colour.
    """
    batch, channels, height, width = images.shape
    offsets, flips = offsets.to(images.device), flips.to(images.device)
    mode = "constant" if augmentation.padding_mode == "zeros" else "reflect"
    padded = functional.pad(images, (augmentation.padding,) * 4, mode=mode).permute(0, 2, 3, 1)

    # One gather crops and mirrors: where in the padded batch does each pixel of the result come from?
    down, right = (torch.arange(side, device=images.device) for side in (height, width))
    down = offsets[:, :1] + down
    right = offsets[:, 1:] + torch.where(flips[:, None], right.flip(0), right)
    lines = torch.arange(batch, device=images.device)[:, None] * padded.shape[1] + down
    pixels = lines[:, :, None] * padded.shape[2] + right[:, None, :]
    gathered = padded.reshape(-1, channels).index_select(0, pixels.flatten())
    return gathered.view(batch, height, width, channels).permute(0, 3, 1, 2)
