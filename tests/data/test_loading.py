"""Data sets by name."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from resunit.data import fetch, load, verify
from resunit.errors import DataError, UsageError


@pytest.mark.parametrize("ask", [load, fetch, verify])
@pytest.mark.parametrize("name", ["cifar1O", "CIFAR10", "CIFAR-10"])
def test_a_typo_is_answered_with_the_nearest_name(name: str, ask: Callable[[str], object]) -> None:
    with pytest.raises(UsageError, match=rf"'{name}'.*'cifar10'"):
        ask(name)


def test_a_name_like_no_other_is_answered_with_all() -> None:
    with pytest.raises(UsageError, match=r"'mnist'.*cifar10, cifar100, cifar10-sample, .*folder"):
        load("mnist")


def test_a_path_that_is_not_there_is_a_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="absent"):
        load(str(tmp_path / "absent"))


@pytest.mark.parametrize("size", [64, 48, 31, 20, 4, 2, 1])
def test_cifar_is_averaged_over_squares_of_whole_pixels_or_refused(size: int) -> None:
    with pytest.raises(UsageError, match=rf"cifar10-sample .*image_size .*{size}"):
        load("cifar10-sample", image_size=size)


def test_the_sample_is_not_fetched(tmp_path: Path) -> None:
    assert (fetch("cifar10-sample") / "manifest.json").exists()
    with pytest.raises(UsageError, match="cifar10-sample"):
        fetch("cifar10-sample", source=tmp_path)


def test_verify_names_what_is_missing_and_fetches_nothing(tmp_path: Path) -> None:
    checks = verify("cifar10", root=tmp_path)
    assert len(checks) == 7
    assert {check.problem for check in checks} == {"missing"}
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_data_set_is_reported_and_not_silently_replaced(tmp_path: Path) -> None:
    (tmp_path / "cifar10").mkdir()
    (tmp_path / "cifar10" / "test_batch.bin").write_bytes(b"")
    (tmp_path / "cifar10" / "manifest.json").write_text('{"source": "mine", "sha256": {}}')
    with pytest.raises(DataError, match=r"manifest\.json: .*`resunit data fetch cifar10`"):
        load("cifar10", root=tmp_path)


def test_parquet_is_imported_only_where_it_is_read() -> None:
    program = "import sys; from resunit import data; data.load('cifar10-sample'); print(*sys.modules)"
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    modules = answer.stdout.split()
    assert "resunit.data.cifar.containers.parquet" in modules
    assert "pyarrow" not in modules
