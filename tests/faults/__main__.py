"""Try all faults and print one table of figures: `make faults`."""

import argparse
import platform
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from tests.faults.company import kill_and_restart, two_at_once
from tests.faults.damage import damage, fall_back
from tests.faults.disks import fail_at_every_operation, fill_the_disk
from tests.faults.figures import Figures
from tests.faults.poison import poison
from tests.faults.resumption import resume_everywhere
from tests.faults.stops import kill_at_every_operation, kill_at_random


def main() -> int:
    """Try all faults, print the table and what failed, and return 1 if a case failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--kills", type=int, default=200, help="random kills, half of them inside a save")
    parser.add_argument(
        "--offsets", type=int, default=50, help="bytes at which a disk is full, and at which it fails"
    )
    parser.add_argument("--damages", type=int, default=20, help="damages of each way and region of a file")
    parser.add_argument("--cycles", type=int, default=50, help="kills and restarts of one run")
    parser.add_argument("--pairs", type=int, default=10, help="pairs of processes on one run")
    parser.add_argument("--seed", type=int, default=0, help="the seed of everything that is drawn")
    parser.add_argument("--only", default="", help="only these parts, such as kills,disks; by default all")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    print(f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {processor()}, Python {platform.python_version()}, "
          f"torch {torch.__version__}, python -m tests.faults {' '.join(sys.argv[1:])}", flush=True)  # fmt: skip
    campaigns: dict[str, Callable[[Path], list[Figures]]] = {
        "kills": lambda where: kill_at_random(chosen.kills, chosen.seed, where),
        "operations": lambda where: kill_at_every_operation(where, (0, 1, 5)),
        "power": lambda where: kill_at_every_operation(where, (0, 1, 5), power_fails=True),
        "disks": lambda where: fill_the_disk(chosen.offsets, where) + fail_at_every_operation(where),
        "damage": lambda where: damage(chosen.damages, chosen.seed, where),
        "fallback": lambda where: fall_back(15, chosen.seed, where),
        "resumption": resume_everywhere,
        "poison": poison,
        "pairs": lambda where: two_at_once(chosen.pairs, where),
        "restarts": lambda where: kill_and_restart(chosen.cycles, where),
    }
    names = chosen.only.split(",") if chosen.only else list(campaigns)
    if unknown := set(names) - set(campaigns):
        parser.error(f"unknown: {', '.join(sorted(unknown))}; known: {', '.join(campaigns)}")
    found: list[Figures] = []
    print(f"\n{'kind':95} {'tried':>6} {'passed':>6} {'minutes':>7}")
    with TemporaryDirectory(prefix="resunit-faults-") as folder:
        where = Path(folder) / "runs"
        where.mkdir()
        for name in names:
            since = time.monotonic()
            figures = campaigns[name](where)
            minutes = (time.monotonic() - since) / 60
            for each in figures:
                spent = f"{minutes:7.1f}" if each is figures[-1] else ""
                print(f"{each.kind:95} {each.tried:6} {each.passed:6} {spent}", flush=True)
            found += figures
    failures = [f"{each.kind}: {failure}" for each in found for failure in each.failures]
    print(f"{'all':95} {sum(each.tried for each in found):6} {sum(each.passed for each in found):6}")
    print("\n".join(failures))
    return 1 if failures else 0


def processor() -> str:
    """Return the kind of the processor, as Linux names it."""
    information = Path("/proc/cpuinfo")
    names = [line for line in information.read_text().splitlines() if line.startswith("model name")] if (
        information.exists()
    ) else []  # fmt: skip
    return names[0].partition(":")[2].strip() if names else platform.processor() or platform.machine()


if __name__ == "__main__":
    sys.exit(main())
