"""What the machine can do at best: arithmetic of matrix products, bandwidth of its memory."""

from collections.abc import Callable
from typing import Any

import torch

from resunit.ops.cpu.allocator import keep_freed_memory

SIDE = 2048  # of the matrices: three times 8 MB in bf16, 17 GFLOP
NUMBERS = 1 << 26  # a vector: 256 MB, beyond every cache


def prepare_gemm(precision: str) -> tuple[Callable[[], object], dict[str, Any]]:
    """C = A B with square matrices of "float32" or "bfloat16" numbers."""
    keep_freed_memory(torch.device("cpu"))
    a, b = (torch.randn(SIDE, SIDE).to(getattr(torch, precision)) for _ in range(2))
    c = torch.empty_like(a)
    return lambda: torch.mm(a, b, out=c), {"work": 2 * SIDE**3}


def prepare_triad() -> tuple[Callable[[], object], dict[str, Any]]:
    """a = b + 3 c (McCalpin's STREAM triad): two reads and a write counted, 4 bytes a number."""
    a, b, c = (torch.ones(NUMBERS) for _ in range(3))
    return lambda: torch.add(b, c, alpha=3, out=a), {"work": 3 * 4 * NUMBERS}
