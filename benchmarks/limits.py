"""What the machine can do at best: the arithmetic of matrix products, and the bandwidth of its memory."""

import torch

from benchmarks.processes import Prepared
from benchmarks.records import Details
from resunit.ops.cpu.allocator import keep_freed_memory

SIDE = 2048  # Three square matrices of this side take 24 MB in bf16.
GEMM_FLOP = 2 * SIDE**3
NUMBERS = 1 << 26  # A vector of so many fp32 numbers takes 256 MB, more than any cache.
TRIAD_BYTES = 3 * 4 * NUMBERS  # The triad reads two vectors and writes one, with 4 bytes a number.


def prepare_gemm(precision: str) -> Prepared:
    """Return the product of two square matrices of "float32" or "bfloat16" numbers."""
    keep_freed_memory(torch.device("cpu"))
    a, b = (torch.randn(SIDE, SIDE).to(getattr(torch, precision)) for _ in range(2))
    c = torch.empty_like(a)
    return lambda: torch.mm(a, b, out=c), Details()


def prepare_triad() -> Prepared:
    """Return the sum a = b + 3 c of long vectors (McCalpin's STREAM triad)."""
    a, b, c = (torch.ones(NUMBERS) for _ in range(3))
    return lambda: torch.add(b, c, alpha=3, out=a), Details()
