"""The free memory is the least of the machine's, of every control group's, and of the process's own limit."""

import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from resunit.io import memory
from resunit.io.memory import free_in_group, free_memory


def version_2(group: Path, most: int | str, used: int, inactive: int = 0) -> None:
    group.mkdir(parents=True, exist_ok=True)
    (group / "memory.max").write_text(f"{most}\n")
    (group / "memory.current").write_text(f"{used}\n")
    (group / "memory.stat").write_text(f"anon 300\nfile 400\ninactive_file {inactive}\n")


def version_1(group: Path, most: int, used: int, inactive: int = 0) -> None:
    group.mkdir(parents=True, exist_ok=True)
    (group / "memory.limit_in_bytes").write_text(f"{most}\n")
    (group / "memory.usage_in_bytes").write_text(f"{used}\n")
    (group / "memory.stat").write_text(f"inactive_file 1\ntotal_inactive_file {inactive}\n")


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine whose kernel shows the folders proc and groups."""
    monkeypatch.setattr(memory, "MEMBERSHIP", tmp_path / "proc" / "self" / "cgroup")
    monkeypatch.setattr(memory, "MOUNTED_AT", tmp_path / "groups")
    for name in ("LOCAL_WORLD_SIZE", memory.MEMORY):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def belongs_to(machine: Path, *lines: str) -> None:
    (machine / "proc" / "self").mkdir(parents=True)
    (machine / "proc" / "self" / "cgroup").write_text("".join(f"{line}\n" for line in lines))


def test_cached_files_count_as_free(tmp_path: Path) -> None:
    version_2(tmp_path, "max", 700, 350)
    assert free_in_group(tmp_path) is None
    version_2(tmp_path, 1000, 700, 350)
    assert free_in_group(tmp_path) == 1000 - 700 + 350
    version_1(tmp_path / "1", 2000, 700, 100)
    assert free_in_group(tmp_path / "1") == 2000 - 700 + 100
    assert free_in_group(tmp_path / "absent") is None


@pytest.mark.usefixtures("machine")
def test_without_control_groups_the_machine_decides() -> None:
    assert free_memory() == pytest.approx(psutil.virtual_memory().available, rel=0.2)


def test_a_container_sees_its_group_at_the_top(machine: Path) -> None:
    version_2(machine / "groups", 1000, 300)
    assert free_memory() == 700


@pytest.mark.parametrize("tightest", range(3))
def test_every_group_above_limits_too(machine: Path, tightest: int) -> None:
    belongs_to(machine, "0::/system.slice/job_7.scope")
    places = [machine / "groups" / inner for inner in ("", "system.slice", "system.slice/job_7.scope")]
    for depth, place in enumerate(places):
        version_2(place, 500 if depth == tightest else 5000, 100)
    assert free_memory() == 400


def test_control_groups_of_version_1(machine: Path) -> None:
    belongs_to(machine, "12:cpuset:/x", "7:cpu,memory:/slurm/job_7", "0::/")
    version_1(machine / "groups" / "memory", 2**63 - 4096, 0)
    version_1(machine / "groups" / "memory" / "slurm" / "job_7", 1000, 400, 50)
    assert free_memory() == 650


def test_a_path_out_of_the_container_counts_for_its_top(machine: Path) -> None:
    belongs_to(machine, "0::/../../other")
    version_2(machine / "groups", 1000, 300)
    assert free_memory() == 700


def test_processes_of_torchrun_share(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    version_2(machine / "groups", 1000, 300)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    assert free_memory() == 350
    monkeypatch.setenv(memory.MEMORY, "100")
    assert free_memory() == 100


def test_a_limit_of_the_process_counts() -> None:
    """As `ulimit -v` sets it."""
    program = """
import resource
from resunit.io.memory import free_memory
resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))
print(free_memory())
"""
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert 0 < int(done.stdout) < 2 << 30
