"""A whitening stem: filters that decorrelate 2x2 patches of the training images, computed, not learned."""

from itertools import chain

import torch
from torch import nn
from torch.nn import functional

from resunit.data import Normalisation, Split, StreamedSplit

IMAGES = 5_000  # enough for a 12 x 12 covariance
FLOOR = 5e-4  # keeps the faintest directions, mostly noise, from being blown up


def fit_whitening(stem: nn.Module, train: Split | StreamedSplit, normalisation: Normalisation) -> None:
    """Make the first convolution's filters the principal directions of the images' patches, each twice.

    Takes the training images for a convolution with 2 C k k filters: every direction and its
    negative, so that the activation after them loses neither (Page 2019, Jordan 2024).
    """
    conv = next(layer for layer in stem.modules() if isinstance(layer, nn.Conv2d))
    chosen = torch.randperm(len(train), generator=torch.Generator().manual_seed(0))[:IMAGES]
    covariance = torch.zeros(conv.weight[0].numel(), conv.weight[0].numel())
    device = normalisation.mean.device
    for images in chain.from_iterable(images.split(500) for images in train.pictures(chosen)):
        patches = functional.unfold(normalisation(images.to(device)).cpu(), conv.kernel_size)
        covariance += torch.einsum("nip,njp->ij", patches, patches) / (len(chosen) * patches.shape[2])
    values, vectors = torch.linalg.eigh(covariance.double())
    filters = (vectors / (values + FLOOR).sqrt()).T.flip(0).view(-1, *conv.weight.shape[1:])
    with torch.no_grad():
        conv.weight.copy_(torch.cat([filters, -filters]))
