"""Whether the gradient through the weights cancels the direct term, sample by sample (below Eq. (5)).

The gradient of a batch vanishes only if the rest of dE/dx_l is -1 times the direct term for all samples.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from resunit.propagation.measures.reductions import flatten_alike

CANCELS_BELOW = -0.9  # <rest, direct> / <direct, direct> of a sample; at -1 the rest cancels the direct term


class Cancellation(NamedTuple):
    """<rest, direct> / <direct, direct> over the samples of a batch; each is a 0-dimensional tensor.

    Attributes:
        minimum: the smallest value.
        median: the median.
        share: the share of samples below `CANCELS_BELOW`.
    """

    minimum: Tensor
    median: Tensor
    share: Tensor


def compare_by_sample(direct: Tensor, total: Tensor, *, careful: bool = False) -> Cancellation | None:
    """Return how far total - direct cancels direct in each sample, or None if there are no samples.

    Samples whose direct term is zero are left out; if there are no others, the numbers are NaN.

    Args:
        direct: the direct term at x_l, (samples, ...).
        total: dE/dx_l, of the same shape.
        careful: sum in double precision.
    """
    if direct.ndim < 2 or direct.numel() == 0:
        return None
    flat_direct, flat_total = flatten_alike(direct, total, careful=careful, by_sample=True)
    # Products of matrices sum without a copy of the tensors.
    energies, products = (
        torch.bmm(one[:, None], flat_direct[:, :, None]).flatten() for one in (flat_direct, flat_total)
    )
    ratios = products / energies - 1
    is_there = (energies > 0) & ratios.isfinite()
    absent = torch.full_like(ratios, torch.nan)
    minimum = torch.where(is_there, ratios, torch.inf).min()
    return Cancellation(
        torch.where(minimum.isinf(), torch.nan, minimum),
        torch.where(is_there, ratios, absent).nanquantile(0.5),
        (is_there & (ratios < CANCELS_BELOW)).sum() / is_there.sum(),
    )
