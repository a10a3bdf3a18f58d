"""The machine, the versions and the threads that computed something: a part of runs' and benchmarks' records."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Machine:
    """The facts about a machine that the numbers and the time of a computation depend on."""

    resunit: str
    commit: str | None
    python: str
    torch: str
    torchvision: str
    numpy: str
    machine: str
    """The operating system and the architecture, such as "Linux x86_64"."""
    processor: str
    cpu_capability: str
    """The instructions that torch uses, such as "AVX512"."""
    batch_norm: str
    """"compiled" for the C++ kernels of resunit, else "torch"."""
    threads: int
    cores: int | None
