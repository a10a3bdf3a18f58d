"""The C++ files of this folder, compiled for this processor on first use and kept in the user's cache."""

import ctypes
import hashlib
import os
import platform
import subprocess
import tempfile
import warnings
from functools import cache
from pathlib import Path

import torch

from resunit.io.atomic import write_atomically

HERE = Path(__file__).parent
TORCH = Path(torch.__file__).parent
# Everything of -ffast-math that keeps NaN and infinity, without the flush to zero that it would impose on
# the whole process.
FLAGS = [
    *("-std=c++20", "-O3", "-march=native", "-fopenmp", "-shared", "-fPIC"),
    *("-fno-math-errno", "-fno-trapping-math", "-fno-signed-zeros", "-fassociative-math"),
    *(f"-I{TORCH / 'include'}", f"-L{TORCH / 'lib'}", "-lc10"),
]


class KernelWarning(RuntimeWarning):
    """The compiled kernels cannot be had here; torch's do the same more slowly."""


@cache
def library() -> ctypes.CDLL | None:
    """The compiled kernels, or None, with one warning, where they cannot be had.

    The compiler is $CXX, or c++; it is needed once a machine and version, for about five seconds.
    """
    try:
        path = cache_folder() / f"kernels-{fingerprint()}.so"
        if not path.exists():
            write_atomically(path, compiled())
        return ctypes.CDLL(str(path))
    except (OSError, subprocess.CalledProcessError) as error:
        said = (getattr(error, "stderr", "") or str(error)).strip()
        reason = said.splitlines()[0] if said else "the compiler failed"
        warnings.warn(
            f"no kernels compiled for this processor ({reason}): training is slower and takes more memory; "
            "a C++ compiler with OpenMP as `c++` or $CXX mends it",
            KernelWarning,
            stacklevel=2,
        )
        return None


def compiled() -> bytes:
    """The shared library. Raises OSError or CalledProcessError."""
    compiler = os.environ.get("CXX") or "c++"
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "kernels.so"
        command = [*compiler.split(), *map(str, sources()), *FLAGS, "-o", str(target)]
        subprocess.run(command, check=True, capture_output=True, text=True)
        return target.read_bytes()


def sources() -> list[Path]:
    return sorted(HERE.glob("*.cpp"))


def fingerprint() -> str:
    """What the machine code depends on: sources, flags, torch and processor (machines may share a cache)."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    processor = next((line for line in lines if line.startswith(("flags", "Features"))), platform.processor())
    texts = [source.read_text() for source in sources()]
    parts = [*texts, *FLAGS, torch.__version__, platform.machine(), processor]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def cache_folder() -> Path:
    """resunit/kernels in the user's cache, readable by nobody else: it holds machine code. Raises OSError."""
    root = os.environ.get("XDG_CACHE_HOME")
    folder = (Path(root) if root else Path.home() / ".cache") / "resunit" / "kernels"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder
