"""`resunit data check` on folders in which images stand twice, and on CIFAR-10."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageOps

from resunit.cli import main
from resunit.data.check.check import Group, check_images
from resunit.data.check.listing import list_images
from tests.data.check.generated import make_picture, write_pictures


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Two classes in two splits, with a leak, a near one, a contradiction, a plain double and a broken file."""
    folder = tmp_path / "photos"
    a, b = (
        write_pictures(folder / "train" / name, range(10 * at, 10 * at + 10)) for at, name in enumerate("ab")
    )
    c, d = (
        write_pictures(folder / "test" / name, range(10 * at + 20, 10 * at + 24))
        for at, name in enumerate("ab")
    )
    Image.open(c[0]).save(folder / "train" / "a" / "leak.bmp")
    Image.open(d[0]).resize((60, 45)).save(folder / "train" / "b" / "near.jpg", quality=80)
    shutil.copy(a[0], folder / "train" / "b" / "contradiction.png")
    shutil.copy(b[1], folder / "train" / "b" / "double.png")
    ImageOps.mirror(Image.open(c[1])).save(folder / "train" / "a" / "mirrored.png")
    (folder / "train" / "a" / "broken.png").write_bytes(b"no image")
    make_picture(99, (300, 200)).save(folder / "test" / "a" / "large.png")
    return folder


def files(group: Group | dict[str, Any]) -> list[str]:
    images = group["images"] if isinstance(group, dict) else [vars(image) for image in group.images]
    return ["/".join(Path(image["file"]).parts[-3:]) for image in images]


def test_what_stands_twice_is_found_and_leaks_come_first(photos: Path) -> None:
    found = check_images(list_images(str(photos)))
    assert [(group.kind, group.splits, group.classes) for group in found.groups] == [
        ("exact", ("train", "test"), ("a",)),
        ("near", ("train", "test"), ("b",)),
        ("exact", ("train",), ("a", "b")),
        ("exact", ("train",), ("b",)),
    ]
    assert [files(group) for group in found.groups] == [
        ["train/a/leak.bmp", "test/a/20.png"],
        ["train/b/near.jpg", "test/b/30.png"],
        ["train/a/0.png", "train/b/contradiction.png"],
        ["train/b/11.png", "train/b/double.png"],
    ]
    first, second = found.classes
    assert (first.name, first.images, first.unreadable) == ("a", {"train": 12, "test": 5}, 1)
    assert (first.smallest, first.median, first.largest) == ((120, 90), (120, 90), (300, 200))
    assert (second.images, second.smallest) == ({"train": 13, "test": 4}, (60, 45))
    (unreadable,) = found.unreadable
    assert unreadable.file == str(photos / "train" / "a" / "broken.png")


def test_the_command_tells_it_as_a_table_a_page_and_json(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, photos: Path
) -> None:
    assert main(["data", "check", str(photos), "--html", str(tmp_path / "check.html")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["class", "train", "test", "unreadable", "smallest", "median", "largest"]
    rows = [line.split("  ")[0] for line in lines]
    assert rows.index("the same pixels") < rows.index("alike")
    assert any("broken.png: not a readable image" in line for line in lines)
    assert "The training images hold, pixel for pixel, 1 judged image." in lines
    assert "The training images look like 1 judged image." in lines
    html = (tmp_path / "check.html").read_text()
    assert html.count("<figure>") == 8
    assert all(name in html for name in ("leak.bmp", "near.jpg", "contradiction.png", "broken.png"))
    assert main(["data", "check", str(photos), "--json"]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    told = json.loads(captured.out)
    assert files(told["groups"][0]) == ["train/a/leak.bmp", "test/a/20.png"]
    assert told["classes"][0]["images"] == {"train": 12, "test": 5}


def test_images_that_would_be_held_out_are_compared_too(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    for name in "ab":
        shutil.copy(write_pictures(tmp_path / "photos" / name, range(1))[0], tmp_path / name)
        for number in range(10):  # All are the same picture, so that each held-out one is trained on.
            shutil.copy(tmp_path / name, tmp_path / "photos" / name / f"{number}.png")
    found = check_images(list_images(str(tmp_path / "photos")))
    assert found.is_held_out
    (group,) = found.groups
    assert (group.splits, group.classes) == (("train", "test"), ("a", "b"))
    assert main(["data", "check", str(tmp_path / "photos")]) == 0
    out = capsys.readouterr().out
    assert "train and held out" in out
    assert "pixel for pixel, 2 held-out images" in out


def test_an_image_is_compared_as_it_is_seen_upright(tmp_path: Path) -> None:
    for name in "ab":
        write_pictures(tmp_path / name, range(*((0, 3) if name == "a" else (10, 13))))
    turned = make_picture(0).transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[0x0112] = 6
    turned.save(tmp_path / "b" / "turned.png", exif=exif)
    (group,) = check_images(list_images(str(tmp_path))).groups
    assert (group.kind, group.classes) == ("exact", ("a", "b"))


def test_names_of_any_bytes_are_written_out(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    for name in (b"caf\xe9", b"\x1b[31m<b>"):
        folder = os.path.join(os.fsencode(tmp_path), b"photos", name)
        os.makedirs(folder)
        for number in range(3):
            make_picture(0).save(os.path.join(folder, b"a\n%d.png" % number))
    arguments = ["data", "check", str(tmp_path / "photos"), "--html", str(tmp_path / "check.html")]
    assert main(arguments) == 0
    out = capsys.readouterr().out
    assert r"caf\xe9/a\n" in out
    assert "\x1b" not in out
    html = (tmp_path / "check.html").read_text(encoding="utf-8")
    assert r"\x1b[31m&lt;b&gt;" in html
    assert "<b>" not in html
    assert main([*arguments, "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["groups"][0]["images"]) == 6


def test_the_sample_holds_nothing_twice(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "check", "cifar10-sample", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["groups"], told["unreadable"]) == ([], [])
    assert all(found["images"] == {"train": 100, "test": 50} for found in told["classes"])
    assert main(["data", "check", "cifar11"]) == 2
    assert main(["data", "check", "cifar10-sample", "--html", "/absent/check.html"]) == 1


@pytest.mark.full
def test_cifar10_has_the_near_duplicates_that_others_found_in_it() -> None:
    """Barz and Denzler (2020) found no equal images and that 3.3 % of the test images have a near duplicate."""
    found = check_images(list_images("cifar10"))
    assert {group.kind for group in found.groups} == {"near"}
    across = [group for group in found.groups if group.crosses_splits]
    judged = {image.index for group in across for image in group.images if image.split == "test"}
    assert 50 <= len(judged) <= 330
    assert sum(len(group.classes) == 1 for group in across) >= 0.95 * len(across)
