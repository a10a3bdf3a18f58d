"""`resunit predict` with folders, tables and pages."""

import csv
import json
import os
from itertools import islice, repeat
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import resunit
from resunit.cli import main
from resunit.cli.app import telling_json_list
from resunit.inference.explained_image import ExplainedImage
from resunit.inference.predictions_page import MOST_IMAGES
from resunit.training.evaluation import PIXELS_AT_ONCE


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Seven images at two depths, files that are none, and what systems leave beside them."""
    folder = tmp_path / "photos"
    (folder / "deep" / "deeper").mkdir(parents=True)
    (folder / "@eaDir").mkdir()
    for number, place in enumerate(
        ("0.png", "1.jpg", "2.PNG", "deep/3.png", "deep/deeper/4.webp", "deep/5.bmp", "z.png")
    ):
        noise = np.random.default_rng(number).integers(0, 256, (40 + number, 33, 3), dtype=np.uint8)
        Image.fromarray(noise).save(folder / place)
    for junk in ("._0.png", ".hidden.jpg", "@eaDir/0.png", "notes.txt"):
        (folder / junk).write_bytes(b"no image")
    return folder


IMAGES = ["0.png", "1.jpg", "2.PNG", "deep/3.png", "deep/5.bmp", "deep/deeper/4.webp", "z.png"]


def test_a_folder_is_all_its_visible_images(
    capsys: pytest.CaptureFixture[str], run: Path, photos: Path
) -> None:
    assert main(["predict", str(run), str(photos), "--json"]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    told = json.loads(captured.out)
    assert [entry["image"] for entry in told] == [str(photos / name) for name in IMAGES]
    assert main(["predict", str(run), str(photos / "1.jpg"), str(photos / "deep")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(": ")[0] for line in lines] == [
        str(photos / name) for name in ("1.jpg", *IMAGES[3:6])
    ]


def test_the_table_and_the_page_hold_what_is_printed_without_them(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, run: Path, photos: Path
) -> None:
    (photos / "bad.png").write_bytes(b"no image")
    (tmp_path / "empty").mkdir()
    wanted = [str(photos), str(tmp_path / "empty"), str(photos / "absent.png")]
    assert main(["predict", str(run), *wanted, "--json"]) == 1
    captured = capsys.readouterr()
    told = json.loads(captured.out)
    problems = captured.err.splitlines()
    for line, name in zip(problems, ("photos/bad.png", "empty", "photos/absent.png"), strict=True):
        assert line.startswith(f"resunit: {tmp_path / name}: ")

    table, page = tmp_path / "answers.csv", tmp_path / "answers.html"
    assert main(["predict", str(run), *wanted, "--csv", str(table), "--html", str(page)]) == 1
    captured = capsys.readouterr()
    assert captured.err.splitlines() == problems
    assert captured.out.splitlines() == [f"{table}: 7 images", f"{page}: 7 images"]
    heading, *rows = csv.reader(table.open(newline="", encoding="utf-8"))
    assert heading == [
        "image", "class", "probability", "class_2", "probability_2", "class_3", "probability_3",
    ]  # fmt: skip
    assert [row[0] for row in rows] == [entry["image"] for entry in told]
    for row, entry in zip(rows, told, strict=True):
        assert row[1::2] == [answer["class"] for answer in entry["classes"]]
        for text, answer in zip(row[2::2], entry["classes"], strict=True):
            assert float(text) == pytest.approx(answer["probability"], abs=1e-6)
    html = page.read_text()
    assert html.count("<figure>") == 7
    assert all(str(photos / name) in html for name in IMAGES)
    for line in problems:
        assert line.removeprefix("resunit: ").partition(" (")[0] in html
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "answers.csv", "answers.html", "empty", "photos",
    ]  # fmt: skip


def test_more_answers_than_classes_are_all_classes(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, run: Path, photos: Path
) -> None:
    assert main(["predict", str(run), str(photos), "--top", "99", "--csv", str(tmp_path / "a.csv")]) == 0
    capsys.readouterr()
    heading, *rows = csv.reader((tmp_path / "a.csv").open(newline=""))
    assert heading[-1] == "probability_10"
    assert {len(row) for row in rows} == {21}


def test_names_of_any_bytes_and_markup_are_written_out(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, run: Path
) -> None:
    names = [b"caf\xe9.png", b"a\nb.png", b"\x1b[31mred.png", b"<b>x, y.png"]
    for name in names:
        Image.new("RGB", (32, 32), "red").save(os.path.join(os.fsencode(tmp_path), name))
    outputs = ["--csv", str(tmp_path / "a.csv"), "--html", str(tmp_path / "a.html")]
    assert main(["predict", str(run), str(tmp_path), *outputs]) == 0
    assert "\x1b" not in capsys.readouterr().out
    rows = list(csv.reader((tmp_path / "a.csv").open(newline="", encoding="utf-8")))[1:]
    shown = {r"caf\xe9.png", r"a\nb.png", r"\x1b[31mred.png", "<b>x, y.png"}
    assert {row[0].rpartition("/")[2] for row in rows} == shown
    html = (tmp_path / "a.html").read_text(encoding="utf-8")
    assert "\x1b" not in html
    assert all(name.replace("<", "&lt;").replace(">", "&gt;") in html for name in shown)
    assert "<b>x" not in html


def test_where_nothing_can_be_written_is_said_before_any_work(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, run: Path, photos: Path
) -> None:
    for option in ("--csv", "--html"):
        assert main(["predict", str(run), str(photos), option, str(tmp_path / "absent" / "file")]) == 1
        (line,) = capsys.readouterr().err.splitlines()
        assert str(tmp_path / "absent" / "file") in line
    assert main(["predict", str(run), str(photos), "--csv", "x", "--html", "x"]) == 2


def test_images_without_end_are_answered_as_they_come(run: Path, photos: Path) -> None:
    """Paths that never end: what is not yet needed is neither named nor read."""
    named = 0

    def endless() -> object:
        nonlocal named
        for path in repeat(photos / "0.png"):
            named += 1
            yield path

    classifier = resunit.load(run)
    answers = list(islice(classifier.explain_files(endless()), 1200))  # pyright: ignore[reportArgumentType]
    assert all(isinstance(answer, ExplainedImage) for answer in answers)
    assert named <= 1200 + PIXELS_AT_ONCE / classifier.image_size**2


def test_a_page_shows_the_first_images_and_says_so(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, run: Path, photos: Path
) -> None:
    many = tmp_path / "many"
    many.mkdir()
    for number in range(MOST_IMAGES + 5):
        os.link(photos / "0.png", many / f"{number:04}.png")
    assert main(["predict", str(run), str(many), "--html", str(tmp_path / "many.html")]) == 0
    capsys.readouterr()
    html = (tmp_path / "many.html").read_text()
    assert html.count("<figure>") == MOST_IMAGES
    assert "These are the first 200 images" in html
    assert "205 images" in html


@pytest.mark.parametrize("entries", [[], [{"a": [1, 2]}], [1, "two\n", {"b": {}}]])
def test_a_list_is_printed_as_json_would(capsys: pytest.CaptureFixture[str], entries: list[object]) -> None:
    with telling_json_list() as tell_entry:
        for entry in entries:
            tell_entry(entry)
    assert capsys.readouterr().out == json.dumps(entries, indent=2) + "\n"
