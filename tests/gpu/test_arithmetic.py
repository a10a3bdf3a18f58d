"""fp32 is IEEE float32 on a GPU, and tf32 is what it says; the host's settings come back."""

import pytest
import torch
from torch.nn import functional

from resunit.training.precision import autocast

pytestmark = pytest.mark.gpu

CUDA = torch.device("cuda")


@pytest.mark.parametrize(("precision", "least", "most"), [("fp32", 0.0, 1e-6), ("tf32", 1e-5, 1e-2)])
def test_convolutions_and_products_round_as_the_precision_says(
    precision: str, least: float, most: float
) -> None:
    torch.manual_seed(0)
    x, weight = torch.randn(32, 64, 32, 32, device=CUDA), torch.randn(64, 64, 3, 3, device=CUDA)
    matrix = torch.randn(512, 512, device=CUDA)
    with autocast(CUDA, precision):
        found = functional.conv2d(x, weight), matrix @ matrix
    exact = functional.conv2d(x.double(), weight.double()), matrix.double() @ matrix.double()
    for one, other in zip(found, exact, strict=True):
        error = float((one - other).norm() / other.norm())
        assert least <= error < most
