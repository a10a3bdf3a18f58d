"""What torchrun or a cluster leaves in the environment of a process."""

import os
import re
from pathlib import Path

import pytest

from resunit.errors import UsageError
from resunit.training.launch import (
    Launch,
    check_can_be_found_again,
    count_restarts,
    find_torchrun,
    read_launch,
    read_local_rank,
)
from tests.cli.command_lines import TRAIN, refused

COMPLETE = {"RANK": "3", "WORLD_SIZE": "8", "MASTER_ADDR": "node1", "MASTER_PORT": "29500"}
NAMES = (*COMPLETE, "LOCAL_RANK")
TORCHRUN = ("TORCHELASTIC_RUN_ID", "TORCHELASTIC_RESTART_COUNT", "TORCHELASTIC_MAX_RESTARTS")


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*NAMES, *TORCHRUN):
        monkeypatch.delenv(name, raising=False)


def set_all(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)


def test_a_group_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    set_all(monkeypatch, COMPLETE)
    assert read_launch() == Launch(3, 8)
    assert not read_launch().is_main


@pytest.mark.parametrize("left", [{}, {"RANK": "3"}, {"WORLD_SIZE": "1"}, {"RANK": "2", "WORLD_SIZE": "1"}])
def test_a_process_alone_is_the_main_one(monkeypatch: pytest.MonkeyPatch, left: dict[str, str]) -> None:
    set_all(monkeypatch, left)
    assert read_launch() == Launch(0, 1)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        (
            {"MASTER_ADDR": ""},
            "RANK .* 3 .*WORLD_SIZE .* 8 .*MASTER_ADDR: .*torchrun",
        ),
        ({"MASTER_ADDR": "", "MASTER_PORT": ""}, "MASTER_ADDR .*MASTER_PORT: .*torchrun"),
        (
            {"RANK": ""},
            "WORLD_SIZE .* 8, .* RANK .*torchrun.* WORLD_SIZE",
        ),
        ({"RANK": "8"}, "RANK .* 8 .*WORLD_SIZE .* 8; .* 0 to 7"),
        ({"RANK": "-1"}, "RANK .* -1"),
        ({"WORLD_SIZE": "many"}, "WORLD_SIZE .*'many'"),
    ],
)
def test_what_does_not_fit_is_one_clear_line(
    monkeypatch: pytest.MonkeyPatch, changes: dict[str, str], named: str
) -> None:
    set_all(monkeypatch, COMPLETE | changes)
    with pytest.raises(UsageError, match=named) as caught:
        read_launch()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("local_rank", "named"),
    [("2", "LOCAL_RANK .* 2, .* 2 GPUs"), ("", "LOCAL_RANK")],
)
def test_a_process_without_a_gpu_of_its_own_is_refused(
    monkeypatch: pytest.MonkeyPatch, local_rank: str, named: str
) -> None:
    set_all(monkeypatch, COMPLETE | {"LOCAL_RANK": local_rank})
    with pytest.raises(UsageError, match=named):
        read_local_rank(devices=2)


def test_what_torchrun_says_of_restarts(monkeypatch: pytest.MonkeyPatch) -> None:
    assert count_restarts() == 0
    assert find_torchrun() is None
    check_can_be_found_again(None)
    set_all(monkeypatch, dict(zip(TORCHRUN, ("none", "1", "3"), strict=True)))
    assert count_restarts() == 1
    assert find_torchrun() == os.getppid()
    check_can_be_found_again(Path("run"))
    with pytest.raises(UsageError, match=r" 3 .* --out"):
        check_can_be_found_again(None)


def test_the_command_says_it_in_one_line_before_it_writes_anything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    set_all(monkeypatch, {"RANK": "1", "WORLD_SIZE": "4"})
    line = refused(capsys, 2, *TRAIN, "--steps", "1", "--out", str(tmp_path / "run"))
    assert re.fullmatch("resunit: RANK .*MASTER_ADDR.*", line)
    assert not (tmp_path / "run").exists()
