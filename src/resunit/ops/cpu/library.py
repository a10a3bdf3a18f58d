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
from resunit.io.places import cache_folder

HERE = Path(__file__).parent
TORCH = Path(torch.__file__).parent
# Where the environment restricts torch to AVX2 (ATEN_CPU_CAPABILITY=avx2), the kernels keep to it too.
PROCESSOR = "x86-64-v3" if torch.backends.cpu.get_cpu_capability() == "AVX2" else "native"
# These flags are those of -ffast-math that keep NaN and infinity, without its flush to zero, which would change
# the whole process.
FLAGS = [
    *("-std=c++20", "-O3", f"-march={PROCESSOR}", "-fopenmp", "-shared", "-fPIC"),
    *("-fno-math-errno", "-fno-trapping-math", "-fno-signed-zeros", "-fassociative-math"),
    *(f"-I{TORCH / 'include'}", f"-L{TORCH / 'lib'}", "-lc10"),
]


class KernelWarning(RuntimeWarning):
    """The kernels cannot be compiled here; torch's functions compute the same more slowly."""


@cache
def load_library() -> ctypes.CDLL | None:
    """Return the compiled kernels, or None with one warning where they cannot be compiled.

    The compiler is $CXX, or c++. It runs once for each machine and version, for about five seconds.
    """
    try:
        folder = cache_folder() / "kernels"
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)  # for this user alone
        path = folder / f"kernels-{hash_machine()}.so"
        if not path.exists():
            write_atomically(path, compile_kernels())
        return ctypes.CDLL(str(path))
    except (OSError, subprocess.CalledProcessError) as error:
        said = (getattr(error, "stderr", "") or str(error)).strip()
        reason = said.splitlines()[0] if said else "the compiler failed"
        is_about_cache = isinstance(error, OSError) and str(error.filename).startswith(str(cache_folder()))
        remedy = (
            f"a {cache_folder()} that can be written, or another $XDG_CACHE_HOME, mends it"
            if is_about_cache
            else "a C++ compiler with OpenMP as `c++` or $CXX mends it"
        )
        warnings.warn(
            f"no kernels compiled for this processor ({reason}): training is slower and takes more memory; {remedy}",
            KernelWarning,
            stacklevel=2,
        )
        return None


def compile_kernels() -> bytes:
    """Return the bytes of the shared library. Raises OSError or CalledProcessError."""
    compiler = os.environ.get("CXX") or "c++"
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "kernels.so"
        command = [*compiler.split(), *map(str, list_sources()), *FLAGS, "-o", str(target)]
        subprocess.run(command, check=True, capture_output=True, text=True)
        return target.read_bytes()


def list_sources() -> list[Path]:
    """Return the C++ files of this folder, sorted by name."""
    return sorted(HERE.glob("*.cpp"))


def hash_machine() -> str:
    """Return a hash of what the machine code depends on, since machines may share a cache."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    processor = next((line for line in lines if line.startswith(("flags", "Features"))), platform.processor())
    texts = [source.read_text() for source in list_sources()]
    parts = [*texts, *FLAGS, torch.__version__, platform.machine(), processor]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
