"""Checkpoints: atomic, read back, of a known format, and the newest whole one counts."""

from pathlib import Path

import pytest
import torch

from resunit.errors import DamagedRun, FileFormatError, WriteError
from resunit.io import atomic as files
from resunit.io import tensors as tensor_files
from resunit.io.tensors import read_tensors, write_tensors
from resunit.training.checkpoints import KIND, Checkpoint, find_newest_checkpoint, save_checkpoint
from resunit.training.state import TrainingState


def save(folder: Path, step: int, previous: int | None = None) -> None:
    tensors = {"w": torch.full((3, 2), float(step))}
    checkpoint = Checkpoint(TrainingState(step), tensors, {"w.momentum_buffer": -tensors["w"]})
    save_checkpoint(folder, checkpoint, previous)


def newest(folder: Path) -> Checkpoint:
    checkpoint = find_newest_checkpoint(folder)
    assert checkpoint is not None
    return checkpoint


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_newest_checkpoint_and_the_one_before_are_kept(tmp_path: Path) -> None:
    save(tmp_path, 3)
    save(tmp_path, 5, previous=3)
    save(tmp_path, 10, previous=5)
    assert names(tmp_path) == ["step-00000005.safetensors", "step-00000010.safetensors"]
    checkpoint = newest(tmp_path)
    assert checkpoint.state == TrainingState(10)
    assert torch.equal(checkpoint.network["w"], torch.full((3, 2), 10.0))
    assert torch.equal(checkpoint.optimizer["w.momentum_buffer"], torch.full((3, 2), -10.0))


def test_a_damaged_checkpoint_goes_with_the_next_one_and_the_good_one_stays(tmp_path: Path) -> None:
    save(tmp_path, 5)
    (tmp_path / "step-00000010.safetensors").write_bytes(b"garbage")
    with pytest.warns(DamagedRun, match="step-00000010"):
        loaded = newest(tmp_path).state.step
    save(tmp_path, 8, previous=loaded)
    assert names(tmp_path) == ["step-00000005.safetensors", "step-00000008.safetensors"]


def damaged(content: bytes) -> list[bytes]:
    return [b"", b"garbage", content[:-4], content[:-1] + bytes([content[-1] ^ 1])]


@pytest.mark.parametrize("kind", range(4))
def test_a_damaged_checkpoint_is_passed_over_and_refused_if_there_is_no_other(
    tmp_path: Path, kind: int
) -> None:
    save(tmp_path, 5)
    save(tmp_path / "other", 10)
    newer = tmp_path / "step-00000010.safetensors"
    newer.write_bytes(damaged((tmp_path / "other" / newer.name).read_bytes())[kind])
    with pytest.warns(DamagedRun, match=newer.name):
        assert newest(tmp_path).state.step == 5
    (tmp_path / "step-00000005.safetensors").unlink()
    with pytest.raises(FileFormatError, match="step-00000010"):
        find_newest_checkpoint(tmp_path)


def test_a_folder_that_is_absent_has_no_checkpoint(tmp_path: Path) -> None:
    assert find_newest_checkpoint(tmp_path / "absent") is None


def test_a_checkpoint_of_format_1_loads_with_absent_fields_at_their_defaults(tmp_path: Path) -> None:
    tensors = {"network.w": torch.ones(2), "optimiser.w.momentum_buffer": torch.zeros(2)}
    write_tensors(tmp_path / "step-00000003.safetensors", KIND, {"step": 3, "log_bytes": 40}, tensors)
    checkpoint = newest(tmp_path)
    assert checkpoint.state == TrainingState(step=3, log_bytes=40)
    assert list(checkpoint.network) == ["w"]
    assert list(checkpoint.optimizer) == ["w.momentum_buffer"]


def test_a_checkpoint_of_a_newer_format_is_refused_by_name(tmp_path: Path) -> None:
    save(tmp_path, 5)
    path = tmp_path / "step-00000005.safetensors"
    record, tensors = read_tensors(path, KIND)
    assert record["format"] == TrainingState.FORMAT
    write_tensors(path, KIND, {**record, "format": TrainingState.FORMAT + 1}, tensors)
    with pytest.raises(FileFormatError, match="step-00000005"):
        find_newest_checkpoint(tmp_path)


def test_the_previous_checkpoint_survives_a_failing_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(tmp_path, 5)

    def no_space(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(files.os, "fsync", no_space)
        with pytest.raises(WriteError, match="step-00000010"):
            save(tmp_path, 10)
    assert [path.name for path in tmp_path.iterdir()] == ["step-00000005.safetensors"]


def test_the_previous_checkpoint_survives_until_the_new_one_was_read_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that loses what it was given leaves a file that is shorter."""
    save(tmp_path, 5)

    def losing(path: Path, content: bytes) -> None:
        path.write_bytes(content[:-8])

    with monkeypatch.context() as patch:
        patch.setattr(tensor_files, "write_atomically", losing)
        with pytest.raises(FileFormatError, match="step-00000010"):
            save(tmp_path, 10, previous=5)
    with pytest.warns(DamagedRun):
        assert newest(tmp_path).state.step == 5
