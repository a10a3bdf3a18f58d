"""A few faults of each kind, in every run of the tests; `make faults` tries many."""

import errno
import math
from pathlib import Path

import pytest

from tests.faults.company import kill_and_restart, two_at_once
from tests.faults.damage import damage, fall_back
from tests.faults.disks import fail_at_every_operation, fill_the_disk, notes, problems_after_an_error
from tests.faults.disturbed import run
from tests.faults.figures import Figures
from tests.faults.poison import STEPS, Poison, poison
from tests.faults.resumption import resume_everywhere
from tests.faults.small_runs import begin, go_on, problems_at_the_end, undisturbed
from tests.faults.stops import kill_at_every_operation, kill_at_random
from tests.faults.storage import Storage, Strike

IN_THE_MIDDLE_OF_A_FILE = 5


@pytest.fixture(scope="module")
def where(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("faults") / "runs"


@pytest.fixture(autouse=True)
def folder(where: Path) -> None:
    where.mkdir(exist_ok=True)


def check(found: list[Figures]) -> None:
    for figures in found:
        figures.check()


def test_killed_inside_a_save(where: Path) -> None:
    expected, out = undisturbed(where), where / "killed"
    killed = run(begin(out), where, Storage(Strike(2, operation=IN_THE_MIDDLE_OF_A_FILE)).install)
    assert killed.was_killed
    assert any(path.name.endswith(".partial") for path in (out / "checkpoints").iterdir())
    assert problems_at_the_end(run(go_on(out), where), out, expected) == []


def test_a_disk_that_is_full_within_a_checkpoint(where: Path) -> None:
    undisturbed(where)
    out = where / "full"
    storage = Storage(Strike(2, offset=1_000_000, error=errno.ENOSPC), notes(out))
    assert problems_after_an_error(run(begin(out), where, storage.install), out) == []


def test_a_number_that_is_not_finite_in_the_state_of_the_optimizer(where: Path) -> None:
    check(poison(where, [Poison("optimizer", math.nan, STEPS)]))


@pytest.mark.full
def test_killed_at_random(where: Path) -> None:
    check(kill_at_random(6, 1, where))


@pytest.mark.full
@pytest.mark.parametrize("power_fails", [False, True])
def test_killed_at_every_operation_of_a_save(where: Path, power_fails: bool) -> None:
    check(kill_at_every_operation(where, (1,), power_fails=power_fails))


@pytest.mark.full
def test_disks_that_are_full_or_fail(where: Path) -> None:
    check(fill_the_disk(4, where) + fail_at_every_operation(where))


@pytest.mark.full
def test_damaged_files(where: Path) -> None:
    check(damage(3, 1, where) + fall_back(3, 1, where))


@pytest.mark.full
def test_resumed_at_chosen_steps(where: Path) -> None:
    check(resume_everywhere(where, moments=2))


@pytest.mark.full
@pytest.mark.parametrize(
    "place", ["loss", "gradient", "weight", "running variance", "average of the weights"]
)
def test_numbers_that_are_not_finite(where: Path, place: str) -> None:
    check(poison(where, [Poison(place, math.inf, 3)]))


@pytest.mark.full
def test_two_processes_at_once(where: Path) -> None:
    check(two_at_once(1, where))


@pytest.mark.full
def test_killed_and_restarted_again_and_again(where: Path) -> None:
    check(kill_and_restart(4, where))
