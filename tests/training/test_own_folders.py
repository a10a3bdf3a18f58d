"""Runs on folders of images as people have them: what is judged, what is said, and what is written."""

import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import resunit
from resunit.cli import main
from resunit.data import load
from resunit.errors import DataError
from resunit.inference.weights_evaluation import evaluate_weights
from resunit.runs.folder import RunFolder
from resunit.runs.schema import RunResult
from resunit.training.recipe import with_changes
from resunit.training.recipes import named_recipe

SHORT: dict[str, Any] = {
    "model": "preresnet20", "steps": 3, "batch_size": 8, "precision": "fp32", "evaluate_steps": 1, "padding": 0,
}  # fmt: skip


def write_noise(folder: Path, classes: str | list[str], images: int) -> None:
    """Different images, whose classes differ in their brightness."""
    noise = np.random.default_rng(images)
    for label, name in enumerate(classes):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for index in range(images):
            pixels = noise.integers(60 * label, 60 * label + 90, (32, 32, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{index}.png")


def train(data: Path, out: Path, quiet: bool = True, **changes: Any) -> RunResult:
    recipe = with_changes(named_recipe("paper"), SHORT | {"data": str(data)} | changes)
    return resunit.train(recipe, out=out, quiet=quiet)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    for split, images in (("train", 8), ("val", 3), ("test", 4)):
        write_noise(folder / split, "abc", images)
    return folder


@pytest.fixture(scope="module")
def run(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "run"
    train(photos, out)
    return out


def test_validation_images_are_watched_and_test_images_judged_once(photos: Path, run: Path) -> None:
    folder = RunFolder(run)
    log = folder.read_log()
    assert [(line.split, line.images) for line in log] == 3 * [("validation", 9)]
    result, evaluation = folder.read_result(), folder.read_evaluation()
    assert result is not None
    assert evaluation is not None
    assert result.split == evaluation.split == "test"
    assert (result.best_test_error, result.validation_error) == (None, None)
    assert result.best_validation_error == min(line.error for line in log if line.error is not None)
    assert sum(map(sum, evaluation.confusion)) == 12
    wrong = 12 - sum(evaluation.confusion[label][label] for label in range(3))
    assert result.test_error == pytest.approx(100 * wrong / 12)
    evaluated = evaluate_weights(run)
    assert (evaluated.split, evaluated.images, evaluated.error) == ("test", 12, result.test_error)
    assert evaluate_weights(run, str(photos / "val")).images == 9


@pytest.mark.full
def test_a_stopped_and_resumed_run_keeps_its_best_validation_error(
    photos: Path, run: Path, tmp_path: Path
) -> None:
    train(photos, tmp_path / "run")
    for file in ("result.json", "weights.safetensors", "report.html"):
        (tmp_path / "run" / file).unlink()
    assert resunit.resume(tmp_path / "run", quiet=True).best_validation_error is not None
    first, second = (folder / "weights.safetensors" for folder in (run, tmp_path / "run"))
    assert first.read_bytes() == second.read_bytes()


def test_few_judged_images_are_said_in_the_first_line_and_in_the_report(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train(photos, tmp_path / "run", quiet=False)
    first, second = capsys.readouterr().err.splitlines()[:2]
    assert "only 12 test images" in first
    assert "9 validation images" in second
    assert "Only 12 images were judged" in (tmp_path / "run" / "report.html").read_text()
    assert main(["evaluate", str(tmp_path / "run")]) == 0
    assert "only 12 test images" in capsys.readouterr().out.splitlines()[0]


def test_all_images_of_another_folder_are_judged(run: Path, tmp_path: Path) -> None:
    write_noise(tmp_path, "abc", 20)
    found = evaluate_weights(run, str(tmp_path))
    assert (found.images, found.split, found.notes) == (60, "test", ())
    assert [sum(row) for row in found.confusion] == [20, 20, 20]


@pytest.mark.parametrize(
    ("splits", "judged", "split"),
    [
        ({"train": 8, "test": 5, "val": 6}, 10, "test"),
        ({"train": 8, "valid": 6}, 12, "validation"),
        ({"test": 5}, 10, "test"),
        ({"Val": 6}, 12, "validation"),
        ({"train": 8}, 16, "test"),
    ],
)
def test_of_another_folder_with_splits_the_test_is_judged_or_else_the_val(
    splits: dict[str, int], judged: int, split: str, run: Path, tmp_path: Path
) -> None:
    for name, images in splits.items():
        write_noise(tmp_path / name, "ab", images)
    found = evaluate_weights(run, str(tmp_path))
    assert (found.images, found.split) == (judged, split)
    (note,) = found.notes
    assert note.endswith(" c")


def test_labels_are_those_of_the_network(run: Path, tmp_path: Path) -> None:
    write_noise(tmp_path, "c", 7)
    found = evaluate_weights(run, str(tmp_path))
    assert [sum(row) for row in found.confusion] == [0, 0, 7]


def test_a_class_that_the_network_does_not_know_is_named(run: Path, tmp_path: Path) -> None:
    write_noise(tmp_path, "abx", 2)
    with pytest.raises(DataError, match="'x'"):
        evaluate_weights(run, str(tmp_path))


def test_of_the_folder_that_was_trained_on_all_images_are_judged_and_that_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photos = tmp_path / "photos"
    write_noise(photos, "ab", 20)
    result = train(photos, tmp_path / "run")
    found = evaluate_weights(tmp_path / "run")
    assert (found.images, found.error, found.notes) == (4, result.test_error, ())
    (tmp_path / "link").symlink_to("photos")
    for data in (photos, photos / ".." / "photos", tmp_path / "link"):
        found = evaluate_weights(tmp_path / "run", str(data))
        assert (found.images, found.notes) == (
            40, (f"{data}: the network was trained on 36 of these 40 images",),
        )  # fmt: skip
    assert main(["evaluate", str(tmp_path / "run"), "--data", str(photos)]) == 0
    shown = capsys.readouterr()
    assert "40 images" in shown.out
    (line,) = shown.err.splitlines()
    assert "36 of these 40" in line


def test_images_that_were_trained_on_are_known_in_other_folders(tmp_path: Path) -> None:
    """They are linked beside new ones; a folder's own folder of training images counts too."""
    photos, mixed = tmp_path / "photos", tmp_path / "mixed"
    write_noise(photos / "train", "ab", 10)
    write_noise(photos / "val", "ab", 5)
    train(photos, tmp_path / "run")
    write_noise(mixed, "ab", 7)
    for number in range(3):
        (mixed / "a" / f"linked{number}.png").symlink_to(photos / "train" / "a" / f"{number}.png")
    (mixed / "b" / "linked.png").hardlink_to(photos / "train" / "b" / "0.png")
    (mixed / "b" / "validated.png").symlink_to(photos / "val" / "b" / "0.png")
    for data, note in ((mixed, "4 of these 19 images"), (photos / "train", "20 of these 20 images")):
        assert evaluate_weights(tmp_path / "run", str(data)).notes[-1].endswith(f"was trained on {note}")
    for data in (photos, photos / "val"):
        assert evaluate_weights(tmp_path / "run", str(data)).notes == ()


def test_broken_images_that_training_left_out_are_left_out_again(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    write_noise(photos, "ab", 20)
    (photos / "a" / "3.png").write_bytes(b"no image")
    train(photos, tmp_path / "run", skip_broken=2)
    found = evaluate_weights(tmp_path / "run", str(photos))
    assert found.images == 39
    assert any(note.startswith(f"skipped: {photos / 'a' / '3.png'}") for note in found.notes)


def test_a_test_without_labels_leaves_the_val_to_judge(run: Path, tmp_path: Path) -> None:
    write_noise(tmp_path / "val", "abc", 5)
    write_noise(tmp_path / "test", ["images"], 3)
    found = evaluate_weights(run, str(tmp_path))
    assert (found.images, found.split) == (15, "validation")
    (note,) = found.notes
    assert note.startswith(f"{tmp_path / 'test'}: ")


@pytest.mark.parametrize("names", [["val"], ["test", "val"], ["car", "test", "val"]])
def test_the_networks_classes_may_be_called_like_splits(names: list[str], tmp_path: Path) -> None:
    write_noise(tmp_path / "photos" / "train", ["car", "test", "val"], 5)
    train(tmp_path / "photos", tmp_path / "run")
    write_noise(tmp_path / "fresh", names, 4)
    found = evaluate_weights(tmp_path / "run", str(tmp_path / "fresh"))
    assert [sum(row) for row in found.confusion] == [4 * (name in names) for name in ("car", "test", "val")]


def test_what_is_not_used_is_said_and_recorded(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    photos = tmp_path / "photos"
    write_noise(photos / "train", "ab", 20)
    for name in ("train/a/3.png", "train/b/4.png", "test/0.png"):
        (photos / name).parent.mkdir(exist_ok=True)
        (photos / name).write_bytes(b"no image")
    arguments = ["train", "--data", str(photos), "--out", str(tmp_path / "run"), "--steps", "1"]
    arguments += ["--model", "preresnet20", "--batch-size", "8", "--no-tta"]
    assert main(arguments) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "train/a/3.png" in line
    assert not (tmp_path / "run").exists()
    assert main([*arguments, "--skip-broken", "2"]) == 0
    lines = capsys.readouterr().err.splitlines()
    environment = RunFolder(tmp_path / "run").read_environment()
    assert environment is not None
    for name in ("photos/test:", "train/a/3.png:", "train/b/4.png:"):
        (line,) = (line for line in lines if name in line)
        assert line in environment.data_notes
    judged = load(str(photos), skip_broken=2).test
    assert evaluate_weights(tmp_path / "run").images == len(judged)


def test_names_of_any_bytes_are_trained_on_and_reported(tmp_path: Path) -> None:
    photos = Path(os.fsdecode(os.fsencode(tmp_path) + b"/photos\xff"))
    write_noise(photos, "ab", 12)
    (photos / "b").rename(os.fsdecode(os.fsencode(photos) + b"/\xe9t\xe9"))
    shutil.copy(photos / "a" / "0.png", os.fsdecode(os.fsencode(photos / "a") + b"/caf\xe9.png"))
    train(photos, tmp_path / "run")
    classifier = resunit.load(tmp_path / "run")
    assert classifier.classes == ("a", os.fsdecode(b"\xe9t\xe9"))
    answers = classifier.predict(sorted((photos / "a").iterdir()), top=1)
    assert len(answers) == 13
    assert evaluate_weights(tmp_path / "run").classes == classifier.classes
    assert r"\xe9t\xe9" in (tmp_path / "run" / "report.html").read_text(encoding="utf-8")


def test_one_line_says_that_judged_images_are_trained_on(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    for split, count in (("train", 8), ("test", 4)):
        for label, name in enumerate("ab"):
            (tmp_path / "photos" / split / name).mkdir(parents=True)
            for index in range(count):
                colour = (100 * label, 20 * index, 250 if split == "test" else 0)
                Image.new("RGB", (32, 32), colour).save(tmp_path / "photos" / split / name / f"{index}.png")
    Image.new("RGB", (32, 32), (0, 20, 250)).save(tmp_path / "photos" / "train" / "b" / "leak.bmp")
    command = ["train", "--data", str(tmp_path / "photos"), "--model", "preresnet20", "--steps", "1"]
    assert main([*command, "--out", str(tmp_path / "run")]) == 0
    captured = capsys.readouterr()
    (line,) = [text for text in (captured.out + captured.err).splitlines() if "too low" in text]
    assert "1 of 8 test images stand among the training images too" in line
    environment = RunFolder(tmp_path / "run").read_environment()
    assert environment is not None
    assert line in environment.data_notes
    (tmp_path / "photos" / "train" / "b" / "leak.bmp").unlink()
    assert main([*command, "--out", str(tmp_path / "other")]) == 0
    captured = capsys.readouterr()
    assert "too low" not in captured.out + captured.err
