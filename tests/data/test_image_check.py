"""The check of a streamed folder before a run begins, and what is remembered of it."""

import os
from pathlib import Path

import pytest

from resunit.data import stream
from resunit.errors import DataError
from tests.data.photographs import write_photographs


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return write_photographs(tmp_path / "photos", train=2, val=1)


def decoded(photos: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    """Return how many files the check of a folder decodes."""
    opened = []
    from resunit.data import image_check

    whole = image_check.opened_upright
    monkeypatch.setattr(
        image_check, "opened_upright", lambda path, side: opened.append(path) or whole(path, side)
    )
    stream(str(photos), image_size=14, checked=True)
    monkeypatch.setattr(image_check, "opened_upright", whole)
    return len(opened)


def test_the_first_broken_file_of_any_split_is_named(photos: Path) -> None:
    victims = [photos / "train" / "fox" / "1.jpg", photos / "val" / "ant" / "0.jpg"]
    for victim in victims:
        victim.write_bytes(victim.read_bytes()[:-300])
    stream(str(photos), image_size=14)
    with pytest.raises(DataError, match=f"^{victims[0]}: "):
        stream(str(photos), image_size=14, checked=True)


def test_a_folder_that_is_whole_is_decoded_once(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert [decoded(photos, monkeypatch) for _ in range(3)] == [18, 0, 0]
    changed = photos / "train" / "fox" / "1.jpg"
    os.utime(changed, ns=(0, 0))
    assert [decoded(photos, monkeypatch) for _ in range(2)] == [18, 0]
    changed.unlink()
    assert decoded(photos, monkeypatch) == 17


def test_broken_files_are_looked_for_again(photos: Path) -> None:
    victim = photos / "train" / "fox" / "1.jpg"
    whole = victim.read_bytes()
    victim.write_bytes(b"no image")
    for _ in range(2):
        (note,) = stream(str(photos), image_size=14, skip_broken=1, checked=True).notes
        assert note.startswith(f"skipped: {victim}")
    victim.write_bytes(whole)
    assert stream(str(photos), image_size=14, skip_broken=1, checked=True).notes == ()


def test_without_a_place_to_remember_it_the_check_is_made_each_time(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cache" / "resunit").mkdir(parents=True)
    (tmp_path / "cache" / "resunit" / "checked-images").write_text("in the way")
    assert [decoded(photos, monkeypatch) for _ in range(2)] == [18, 18]
