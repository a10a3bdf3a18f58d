"""A whitening stem: filters that decorrelate 2x2 patches of the training images, computed, not learned."""

import torch
from torch import Tensor, nn
from torch.nn import functional

WHITENING_IMAGES = 5_000  # enough for a 12 x 12 covariance
FLOOR = 5e-4  # keeps the faintest directions, mostly noise, from being blown up


def fit_whitening(stem: nn.Module, images: Tensor) -> None:
    """Make the first convolution's filters the principal directions of the images' patches, each twice.

    Takes (N, C, H, W) normalised images for a convolution with 2 C k k filters: every direction and its
    negative, so that the activation after them loses neither (Page 2019, Jordan 2024).
    """
    conv = next(layer for layer in stem.modules() if isinstance(layer, nn.Conv2d))
    patches = functional.unfold(images, conv.kernel_size).transpose(1, 2).flatten(0, 1).double()
    values, vectors = torch.linalg.eigh(patches.T @ patches / len(patches))
    filters = (vectors / (values + FLOOR).sqrt()).T.flip(0).view(-1, *conv.weight.shape[1:])
    with torch.no_grad():
        conv.weight.copy_(torch.cat([filters, -filters]))
