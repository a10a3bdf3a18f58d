"""The environment of a run: versions, machine, threads."""

import os
import platform
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy
import torch

import resunit
from resunit.ops.cpu.library import load_library
from resunit.runs.machine import Machine
from resunit.runs.schema import Environment, Given

# With this environment variable set, records name neither the host nor the command, which may hold paths.
ANONYMOUS = "RESUNIT_ANONYMOUS"


def describe_environment(
    device: torch.device,
    precision: str,
    world_size: int,
    data_checksum: str | None = None,
    command: str | None = None,
    recipe: Mapping[str, Any] | None = None,
    data_notes: tuple[str, ...] = (),
    weights_checksum: str | None = None,
    given: tuple[Given, ...] = (),
) -> Environment:
    """Return what bitwise repetition of a run depends on, its recipe, and when and where it happens.

    Args:
        device: the device that computes.
        precision: "bf16", "tf32", "fp32" or "fp64".
        world_size: the number of processes.
        data_checksum: the checksum of the data set.
        command: the command as it was typed; None for a run that Python code starts.
        recipe: the recipe that the run begins with, as recipe.json holds it.
        data_notes: what a user should know about the images.
        weights_checksum: the checksum of the weights file that the run starts from.
        given: what Python code gives to the run.
    """
    is_anonymous = bool(os.environ.get(ANONYMOUS))
    return Environment(
        **vars(describe_machine()),
        device=str(device),
        gpu=torch.cuda.get_device_name(device) if device.type == "cuda" else None,
        world_size=world_size,
        precision=precision,
        data_checksum=data_checksum,
        weights_checksum=weights_checksum,
        started=datetime.now(UTC).isoformat(timespec="seconds"),
        host=None if is_anonymous else platform.node() or None,
        command=None if is_anonymous else command,
        recipe=recipe,
        data_notes=data_notes,
        given=given,
    )


def describe_machine() -> Machine:
    """Return the machine, the versions and the threads of this process."""
    return Machine(
        resunit=resunit.__version__,
        commit=find_commit(),
        python=platform.python_version(),
        torch=str(torch.__version__),  # torch gives its version as a subclass of str.
        torchvision=_version_of("torchvision"),
        numpy=numpy.__version__,
        machine=f"{platform.system()} {platform.machine()}",
        processor=name_processor(),
        cpu_capability=torch.backends.cpu.get_cpu_capability(),
        batch_norm="torch" if load_library() is None else "compiled",
        threads=torch.get_num_threads(),
        cores=os.cpu_count(),
    )


def _version_of(package: str) -> str:
    """Return the version of a package, without importing it; frozen programs may not have kept it."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "unknown"


def name_processor() -> str:
    """Return the processor's name as the kernel gives it, or as Python gives it if the kernel does not."""
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
