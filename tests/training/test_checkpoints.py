"""Checkpoints: atomic, read back, and the newest whole one counts."""

from pathlib import Path

import pytest
import torch

from resunit.io import atomic as files
from resunit.io import tensors as tensor_files
from resunit.training.checkpoints import newest_checkpoint, save_checkpoint


def save(folder: Path, step: int) -> None:
    save_checkpoint(folder, step, {"w": torch.full((3, 2), float(step))}, {"step": step})


def test_only_the_newest_is_kept(tmp_path: Path) -> None:
    save(tmp_path, 5)
    save(tmp_path, 10)
    assert [path.name for path in tmp_path.iterdir()] == ["step-00000010.safetensors"]
    tensors, progress = newest_checkpoint(tmp_path)
    assert progress == {"step": 10}
    assert torch.equal(tensors["w"], torch.full((3, 2), 10.0))


def damaged(content: bytes) -> list[bytes]:
    return [b"", b"garbage", content[:-4], content[:-1] + bytes([content[-1] ^ 1])]


@pytest.mark.parametrize("kind", range(4))
def test_a_damaged_one_is_passed_over_and_none_left_is_said(tmp_path: Path, kind: int) -> None:
    save(tmp_path, 5)
    save(tmp_path / "other", 10)
    newer = tmp_path / "step-00000010.safetensors"
    newer.write_bytes(damaged((tmp_path / "other" / newer.name).read_bytes())[kind])
    assert newest_checkpoint(tmp_path)[1] == {"step": 5}
    (tmp_path / "step-00000005.safetensors").unlink()
    with pytest.raises(OSError, match="step-00000010"):
        newest_checkpoint(tmp_path)


def test_none_yet(tmp_path: Path) -> None:
    assert newest_checkpoint(tmp_path / "absent") is None


def test_the_previous_one_survives_a_failing_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(tmp_path, 5)

    def no_space(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(files.os, "fsync", no_space)
        with pytest.raises(OSError, match="No space left"):
            save(tmp_path, 10)
    assert [path.name for path in tmp_path.iterdir()] == ["step-00000005.safetensors"]


def test_the_previous_one_survives_until_the_new_one_was_read_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that loses what it was given: the file is there, and shorter."""
    save(tmp_path, 5)

    def losing(path: Path, content: bytes) -> None:
        path.write_bytes(content[:-8])

    with monkeypatch.context() as patch:
        patch.setattr(tensor_files, "write_atomically", losing)
        with pytest.raises(OSError, match="step-00000010"):
            save(tmp_path, 10)
    assert newest_checkpoint(tmp_path)[1] == {"step": 5}
