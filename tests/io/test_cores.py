"""The cores that a process may keep busy, in the files by which Linux says so."""

import math
import os
from pathlib import Path

import pytest

from resunit.io.cores import available_cores, cpu_quota

DOCKER = "/system.slice/docker-1f2e.scope"


def system(tmp_path: Path, membership: str, files: dict[str, str]) -> tuple[Path, Path]:
    """Return a file like /proc/self/cgroup and a folder like /sys/fs/cgroup."""
    (tmp_path / "membership").write_text(membership)
    root = tmp_path / "groups"
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content)
    return tmp_path / "membership", root


@pytest.mark.parametrize(
    ("membership", "files", "cores"),
    [
        ("0::/\n", {"cpu.max": "100000 100000\n"}, 1),  # A container sees its own group as the root.
        ("0::/\n", {"cpu.max": "max 100000\n"}, math.inf),
        ("0::/\n", {"cgroup.procs": ""}, math.inf),
        ("0::/a/b\n", {"a/cpu.max": "150000 100000", "a/b/cpu.max": "max 100000"}, 1.5),
        ("0::/a/b\n", {"a/cpu.max": "400000 100000", "a/b/cpu.max": "50000 100000"}, 0.5),
        ("0::/../other\n", {"cpu.max": "300000 100000"}, 3),
        (
            "4:memory:/\n1:cpu:/\n",
            {"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"},
            math.inf,
        ),
        ("1:cpu,cpuacct:/\n", {"cpu/cpu.cfs_quota_us": "200000", "cpu/cpu.cfs_period_us": "100000"}, 2),
        (f"1:cpu:{DOCKER}\n", {"cpu/cpu.cfs_quota_us": "50000", "cpu/cpu.cfs_period_us": "25000"}, 2),
        ("1:cpuset:/a\n", {"cpuset/a/cpu.cfs_quota_us": "1"}, math.inf),
        ("0::/\n", {"cpu.max": "damaged"}, math.inf),
    ],
)
def test_the_quota_of_any_group_above_holds(
    tmp_path: Path, membership: str, files: dict[str, str], cores: float
) -> None:
    assert cpu_quota(*system(tmp_path, membership, files)) == cores


def test_a_machine_without_groups_has_no_quota(tmp_path: Path) -> None:
    assert cpu_quota(tmp_path / "absent", tmp_path) == math.inf


def test_the_affinity_and_the_quota_both_limit_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _process: set(range(64)), raising=False)
    for quota, cores in ((math.inf, 64), (8, 8), (2.5, 2), (0.5, 1)):
        monkeypatch.setattr("resunit.io.cores.cpu_quota", lambda quota=quota: quota)
        assert available_cores() == cores
    monkeypatch.setattr(os, "sched_getaffinity", lambda _process: {3})
    monkeypatch.setattr("resunit.io.cores.cpu_quota", lambda: 8)
    assert available_cores() == 1
