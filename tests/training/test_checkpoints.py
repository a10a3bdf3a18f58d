"""Checkpoints: atomic, read back, and the newest whole one counts."""

from pathlib import Path

import pytest
import torch

from resunit import files
from resunit.training.checkpoints import newest_checkpoint, save_checkpoint


def save(folder: Path, step: int) -> Path:
    return save_checkpoint(folder, step, {"w": torch.full((3, 2), float(step))}, {"step": step})


def test_only_the_newest_is_kept(tmp_path: Path) -> None:
    save(tmp_path, 5)
    save(tmp_path, 10)
    assert [path.name for path in tmp_path.iterdir()] == ["step-00000010.safetensors"]
    tensors, progress = newest_checkpoint(tmp_path)
    assert progress == {"step": 10}
    assert torch.equal(tensors["w"], torch.full((3, 2), 10.0))


@pytest.mark.parametrize("damage", [b"", b"garbage", None])
def test_a_damaged_one_is_passed_over(tmp_path: Path, damage: bytes | None) -> None:
    save(tmp_path, 5)
    newer = save(tmp_path / "other", 10)
    content = newer.read_bytes()
    (tmp_path / newer.name).write_bytes(content[: len(content) - 4] if damage is None else damage)
    assert newest_checkpoint(tmp_path)[1] == {"step": 5}


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
