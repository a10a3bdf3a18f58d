"""A whitening stem: its filters decorrelate image patches; they are computed, not learned."""

from itertools import chain

import torch
from torch import nn
from torch.nn import functional

from resunit.data import Normalisation, Split, StreamedSplit

IMAGES = 5_000  # These are enough for a covariance of 12 x 12 numbers.
VARIANCE_FLOOR = 5e-4  # Without it, the faintest directions, mostly noise, would be amplified the most.


def fit_whitening(stem: nn.Module, train: Split | StreamedSplit, normalisation: Normalisation) -> None:
    """Set the filters of the stem's convolution to the principal directions of image patches, each twice.

    Every direction and its negative is a filter, so that the activation after the stem loses neither
    (Page 2019, Jordan 2024).

    Args:
        stem: its first convolution has C channels in and 2 C k k channels out; only its weight changes.
        train: the training images.
        normalisation: the normalisation of the images.
    """
    conv = next(layer for layer in stem.modules() if isinstance(layer, nn.Conv2d))
    chosen = torch.randperm(len(train), generator=torch.Generator().manual_seed(0))[:IMAGES]
    covariance = torch.zeros(conv.weight[0].numel(), conv.weight[0].numel())
    device = normalisation.mean.device
    for images in chain.from_iterable(images.split(500) for images in train.pictures(chosen)):
        patches = functional.unfold(normalisation(images.to(device)).cpu(), conv.kernel_size)
        covariance += torch.einsum("nip,njp->ij", patches, patches) / (len(chosen) * patches.shape[2])
    values, vectors = torch.linalg.eigh(covariance.double())
    filters = (vectors / (values + VARIANCE_FLOOR).sqrt()).T.flip(0).view(-1, *conv.weight.shape[1:])
    with torch.no_grad():
        conv.weight.copy_(torch.cat([filters, -filters]))
