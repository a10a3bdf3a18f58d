"""A whitening stem: filters that decorrelate 2x2 patches of the training images, computed, not learned."""

import torch
from torch import Tensor, nn
from torch.nn import functional

WHITENING_IMAGES = 5_000  # enough for a 12 x 12 covariance
FLOOR = 5e-4  # keeps the faintest directions, mostly noise, from being blown up


def fit_whitening(conv: nn.Conv2d, images: Tensor) -> None:
    """Make `conv`'s filters the principal directions of the images' patches, and their negatives.

    Takes (N, C, H, W) normalised images; `conv` has 2 C k k filters. After a ReLU-like activation the pairs
    together keep what either sign alone would lose (Page 2019, Jordan 2024).
    """
    patches = functional.unfold(images, conv.kernel_size).transpose(1, 2).flatten(0, 1).double()
    values, vectors = torch.linalg.eigh(patches.T @ patches / len(patches))
    filters = (vectors / (values + FLOOR).sqrt()).T.flip(0).view(-1, *conv.weight.shape[1:])
    with torch.no_grad():
        conv.weight.copy_(torch.cat([filters, -filters]))
