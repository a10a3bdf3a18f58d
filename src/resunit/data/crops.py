"""Crops of photographs for training and evaluation, at the scales of the paper's ImageNet recipe."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional

from resunit.data.augmentation import Augmentation
from resunit.data.images import centre, decode_image, opened_upright
from resunit.data.streaming import EvaluationCrop, scaled_side

Crop = Callable[[Path], Tensor]
"""Decode an image file and return one crop (3, H, W) uint8, or ten crops (10, 3, H, W)."""


class TrainingCrop:
    """A random crop of an image file in random colours.

    Everything is drawn from torch's default generator, which torchvision's transforms use.

    "scale" resizes the shorter side to 8 to 15 sevenths of `side` and takes a crop anywhere.
    "scale-aspect" takes 8 to 100 % of the area at an aspect ratio of 3/4 to 4/3 and resizes it.
    Colours change as in fb.resnet.torch: brightness, contrast and saturation in a random order, and then
    lighting. RandAugment comes last.
    """

    def __init__(self, side: int, augmentation: Augmentation):
        self.least_side = scaled_side(side, 15) if augmentation.crop == "scale" else None
        steps: list[nn.Module] = [v2.RandomResizedCrop(side, scale=(0.08, 1), ratio=(3 / 4, 4 / 3))]
        if augmentation.crop == "scale":
            scales = range(scaled_side(side, 8), scaled_side(side, 15) + 1)
            steps = [v2.RandomShortestSize(list(scales)), v2.RandomCrop(side)]
        if augmentation.colour:
            steps.append(v2.ColorJitter(brightness=0.4, contrast=0.4, saturation=0.4))
        steps.append(v2.PILToTensor())
        if augmentation.colour:
            steps.append(Lighting())
        if augmentation.rand_augment is not None:
            steps.append(v2.RandAugment(magnitude=augmentation.rand_augment))
        self.steps = v2.Compose(steps)

    def __call__(self, path: Path) -> Tensor:
        """Return one crop (3, side, side) uint8 of an image file. Raises DataError if it is no image."""
        with opened_upright(path, self.least_side) as image:
            return self.steps(image)


class Lighting(nn.Module):
    """A random shift of an image's colour along the principal directions of ImageNet's colours.

    Along each direction the shift is a normal draw times 0.1 times the eigenvalue. fb.resnet.torch published
    these directions and eigenvalues, for colours from 0 to 1.
    """

    EIGENVALUES = torch.tensor([0.2175, 0.0188, 0.0045], dtype=torch.float32)
    EIGENVECTORS = torch.tensor(
        [[-0.5675, 0.7192, 0.4009], [-0.5808, -0.0045, -0.8140], [-0.5836, -0.6948, 0.4203]],
        dtype=torch.float32,
    )

    def forward(self, image: Tensor) -> Tensor:
        """Return the shifted image, (3, H, W) uint8 like the given one."""
        shift = self.EIGENVECTORS @ (self.EIGENVALUES * torch.randn(3, dtype=torch.float32) * 0.1)
        return (image + 255 * shift[:, None, None]).round().clamp(0, 255).to(torch.uint8)


def evaluation_crop(side: int, crop: EvaluationCrop) -> Crop:
    """Return the crop for evaluating a network that was trained on crops of `side` pixels.

    "crop" is the centre of the image at 8 sevenths of `side`.
    "large crop" is the whole centre square at 10 sevenths.
    "ten crops" are the corners and the centre at 8 sevenths, and their mirror images.
    """
    if crop == "ten crops":
        return partial(_ten_crops, side=side)
    if crop == "large crop":
        return partial(decode_image, image_size=scaled_side(side, 10))
    return partial(_centre_crop, side=side)


def _centre_crop(path: Path, side: int) -> Tensor:
    return centre(decode_image(path, scaled_side(side, 8)), side)


def _ten_crops(path: Path, side: int) -> Tensor:
    scale = scaled_side(side, 8)
    with opened_upright(path, scale) as whole:
        image = v2.Resize(scale)(whole)
    return torch.stack([functional.pil_to_tensor(crop) for crop in functional.ten_crop(image, [side, side])])
