"""The environment of a run: versions, machine, threads."""

import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path

import torch

from resunit.ops.cpu.library import library
from resunit.runs.schema import Environment


def describe_environment(
    device: torch.device,
    precision: str,
    world_size: int,
    data_checksum: str | None = None,
    data_notes: tuple[str, ...] = (),
) -> Environment:
    """Return everything that bitwise repetition of a run depends on, beside its recipe."""
    return Environment(
        resunit=version("resunit"),
        commit=find_commit(),
        python=platform.python_version(),
        torch=torch.__version__,
        torchvision=version("torchvision"),
        numpy=version("numpy"),
        machine=f"{platform.system()} {platform.machine()}",
        processor=name_processor(),
        cpu_capability=torch.backends.cpu.get_cpu_capability(),
        batch_norm="torch" if library() is None else "compiled",
        threads=torch.get_num_threads(),
        cores=os.cpu_count(),
        device=str(device),
        gpu=torch.cuda.get_device_name(device) if device.type == "cuda" else None,
        world_size=world_size,
        precision=precision,
        data_checksum=data_checksum,
        data_notes=data_notes,
    )


def name_processor() -> str:
    """Return the processor's name, as the kernel or else the Python build knows it."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def find_commit() -> str | None:
    """Return the commit of the checkout that tracks this file, with "+" if it has changes; None elsewhere."""
    here = Path(__file__)
    git = ["git", "-C", str(here.parent)]
    try:
        subprocess.run([*git, "ls-files", "--error-unmatch", here.name], capture_output=True, check=True)
        described = [*git, "describe", "--always", "--dirty=+", "--exclude=*"]
        return subprocess.run(described, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None
