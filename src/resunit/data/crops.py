"""What training and tests see of a photograph: crops, at the scales of the paper's ImageNet recipe."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional

from resunit.data.augmentation import Augmentation
from resunit.data.images import centre, decode, upright
from resunit.data.streaming import EvaluationCrop, sevenths

View = Callable[[Path], Tensor]  # an image file -> (3, H, W) uint8, or (10, 3, H, W)


class TrainingView:
    """A random crop of an image file, in random colours; all is drawn from torch's default generator.

    "scale": the shorter side is brought to 8 to 15 sevenths of `side`, and a crop is taken anywhere.
    "scale-aspect": 8 to 100 % of the area at an aspect ratio of 3/4 to 4/3, brought to `side` x `side`.
    Colours change as in fb.resnet.torch: brightness, contrast and saturation in random order, then lighting.
    """

    def __init__(self, side: int, augmentation: Augmentation):
        self.least = sevenths(side, 15) if augmentation.crop == "scale" else None
        steps: list[nn.Module] = [v2.RandomResizedCrop(side, scale=(0.08, 1), ratio=(3 / 4, 4 / 3))]
        if augmentation.crop == "scale":
            scales = range(sevenths(side, 8), sevenths(side, 15) + 1)
            steps = [v2.RandomShortestSize(list(scales)), v2.RandomCrop(side)]
        if augmentation.colour:
            steps.append(v2.ColorJitter(brightness=0.4, contrast=0.4, saturation=0.4))
        steps.append(v2.PILToTensor())
        if augmentation.colour:
            steps.append(Lighting())
        self.steps = v2.Compose(steps)

    def __call__(self, path: Path) -> Tensor:
        return self.steps(upright(path, self.least))


class Lighting(nn.Module):
    """Shift a (3, H, W) uint8 image along the principal directions of ImageNet's colours, each by a normal
    draw of 0.1 times its eigenvalue; those that fb.resnet.torch published, for colours from 0 to 1."""

    EIGENVALUES = torch.tensor([0.2175, 0.0188, 0.0045])
    EIGENVECTORS = torch.tensor(
        [[-0.5675, 0.7192, 0.4009], [-0.5808, -0.0045, -0.8140], [-0.5836, -0.6948, 0.4203]]
    )

    def forward(self, image: Tensor) -> Tensor:
        shift = self.EIGENVECTORS @ (self.EIGENVALUES * torch.randn(3) * 0.1)
        return (image + 255 * shift[:, None, None]).round().clamp(0, 255).to(torch.uint8)


def evaluation_view(side: int, crop: EvaluationCrop) -> View:
    """The centre of images scaled to 8 sevenths; the whole square of images scaled to 10; or ten crops."""
    if crop == "ten crops":
        return partial(ten_crops, side=side)
    if crop == "large crop":
        return partial(decode, image_size=sevenths(side, 10))
    return partial(centre_crop, side=side)


def centre_crop(path: Path, side: int) -> Tensor:
    return centre(decode(path, sevenths(side, 8)), side)


def ten_crops(path: Path, side: int) -> Tensor:
    """(10, 3, side, side): the corners and the centre, and their mirror images."""
    scale = sevenths(side, 8)
    image = v2.Resize(scale)(upright(path, scale))
    return torch.stack([functional.pil_to_tensor(crop) for crop in functional.ten_crop(image, [side, side])])
