"""What the processor can do, as it is and with its wide instructions forbidden."""

import os
import subprocess
import sys
from pathlib import Path

import torch

from resunit.ops.processor import onednn_takes_bf16, supports_bf16

CPU = torch.device("cpu")
WITHOUT_AVX512 = {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2"}
ASK_AND_CONVOLVE = """
import torch
from resunit.ops.processor import onednn_takes_bf16, supports_bf16
print(supports_bf16(torch.device("cpu")), onednn_takes_bf16(), flush=True)
weight = torch.ops.mkldnn._reorder_convolution_weight(
    torch.randn(8, 8, 3, 3).bfloat16(), (1, 1), (1, 1), (1, 1), 1, (2, 8, 8, 8)
)
torch.ops.mkldnn._convolution_pointwise.default(
    torch.randn(2, 8, 8, 8).bfloat16(), weight, None, (1, 1), (1, 1), (1, 1), 1, "none", [], "none"
)
"""


def answers_and_outcome(environment: dict[str, str]) -> tuple[list[str], bool]:
    """What the functions answer in such a process, and whether a packed convolution computes there in bf16."""
    done = subprocess.run(
        [sys.executable, "-c", ASK_AND_CONVOLVE],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
    )
    return done.stdout.split(), done.returncode == 0


def test_packed_convolutions_take_bf16_exactly_where_onednn_says_so() -> None:
    (_, takes), computes = answers_and_outcome({})
    assert computes == (takes == "True")


def test_a_cpu_without_avx_512_has_no_bf16_and_packs_none() -> None:
    assert answers_and_outcome(WITHOUT_AVX512) == (["False", "False"], False)


def test_hardware_is_used_only_where_onednn_agrees() -> None:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    flags = {flag for line in lines if line.startswith("flags") for flag in line.split()}
    has_hardware = bool(flags & {"avx512_bf16", "amx_bf16", "amx_tile"})
    assert supports_bf16(CPU) == (has_hardware and onednn_takes_bf16())


def test_other_devices_have_none_unless_torch_says_so() -> None:
    assert not supports_bf16(torch.device("meta"))
