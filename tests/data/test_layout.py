"""The splits and classes of folders as other tools, systems and people leave them."""

import os
import re
import shutil
import tarfile
from pathlib import Path

import pytest
from PIL import Image

from resunit.data import load, load_judged, stream
from resunit.data.other_forms import EXPECTED
from resunit.errors import DataError
from tests.data.test_folders import write_classes, write_image


def numbers(folder: Path) -> tuple[int, int, str]:
    dataset = load(str(folder), progress=False)
    return len(dataset.train), len(dataset.test), dataset.split_name


@pytest.mark.parametrize(
    ("train", "judged", "split"),
    [
        ("train", "val", "validation"),
        ("train", "valid", "validation"),
        ("training", "validation", "validation"),
        ("Train", "dev", "validation"),
        ("TRAIN", "Val", "validation"),
        ("Train", "Test", "test"),
        ("training", "testing", "test"),
        ("train", "TESTING", "test"),
        ("train", "eval", "test"),
    ],
)
def test_splits_have_many_names(train: str, judged: str, split: str, tmp_path: Path) -> None:
    write_classes(tmp_path / train, images=3)
    write_classes(tmp_path / judged, images=2)
    assert numbers(tmp_path) == (6, 4, split)
    streamed = stream(str(tmp_path))
    assert (len(streamed.train), len(streamed.test), streamed.split_name) == (6, 4, split)
    assert streamed.classes == ("a", "b")


@pytest.mark.parametrize(
    ("train", "judged", "split"),
    [
        ("training_set", "test_set", "test"),
        ("train_images", "val_images", "validation"),
        ("trainset", "testset", "test"),
        ("My-Train-Data", "my-test-data", "test"),
        ("seg_train/seg_train", "seg_test/seg_test", "test"),
        ("train/train", "test/test", "test"),
    ],
)
def test_names_of_splits_have_words_around_them(train: str, judged: str, split: str, tmp_path: Path) -> None:
    write_classes(tmp_path / train, images=3)
    write_classes(tmp_path / judged, images=2)
    assert numbers(tmp_path) == (6, 4, split)
    streamed = stream(str(tmp_path))
    assert (streamed.classes, len(streamed.test)) == (("a", "b"), 4)
    assert len(load_judged(str(tmp_path), ("a", "b"), 32).images) == 4


@pytest.mark.parametrize(
    "names", [("bullet train", "contest"), ("train_x", "test_y"), ("toy train", "toy test", "car")]
)
def test_classes_whose_names_hold_that_of_a_split_stay_classes(
    names: tuple[str, ...], tmp_path: Path
) -> None:
    write_classes(tmp_path, names, images=10)  # pyright: ignore[reportArgumentType]
    assert load(str(tmp_path)).classes == tuple(sorted(names))


def test_images_of_splits_that_stand_as_class_folders_are_refused(tmp_path: Path) -> None:
    write_classes(tmp_path, ("train_images", "test_images"), images=3)  # pyright: ignore[reportArgumentType]
    with pytest.raises(DataError, match="has no class folders; expected"):
        load(str(tmp_path))


def test_splits_within_each_class_are_said(tmp_path: Path) -> None:
    for name in "ab":
        write_classes(tmp_path / name, ("train", "val"), images=4)  # pyright: ignore[reportArgumentType]
    (note,) = load(str(tmp_path)).notes
    assert note.endswith(f"expected {tmp_path}/train/<class>/<image>")
    write_image(tmp_path / "c" / "0.png", 3)
    assert load(str(tmp_path)).notes == ()


COMPOSED, DECOMPOSED = "caf\u00e9", "cafe\u0301"


@pytest.mark.parametrize(("train", "judged"), [(COMPOSED, DECOMPOSED), (DECOMPOSED, COMPOSED)])
def test_an_accent_is_one_character_or_two(train: str, judged: str, tmp_path: Path) -> None:
    """As macOS and archives change names. Each folder keeps its own spelling in the class names."""
    write_classes(tmp_path / "train", ("b", train), images=3)  # pyright: ignore[reportArgumentType]
    write_classes(tmp_path / "val", ("b", judged), images=2)  # pyright: ignore[reportArgumentType]
    dataset = load(str(tmp_path))
    assert dataset.classes == ("b", train)
    assert dataset.judged_counts() == [2, 2]
    for folder in (tmp_path, tmp_path / "val"):
        assert load_judged(str(folder), ("b", train), 32).images.labels.tolist() == [0, 0, 1, 1]


def test_two_spellings_of_one_name_are_refused(tmp_path: Path) -> None:
    write_classes(tmp_path, (COMPOSED, DECOMPOSED), images=3)  # pyright: ignore[reportArgumentType]
    with pytest.raises(DataError, match=r"e\\u0301"):
        load(str(tmp_path))


def test_validation_images_stand_beside_test_images(tmp_path: Path) -> None:
    for split, images in (("train", 4), ("val", 3), ("test", 2)):
        write_classes(tmp_path / split, images=images)
    for dataset in (load(str(tmp_path)), stream(str(tmp_path))):
        assert (len(dataset.train), len(dataset.watched), len(dataset.test)) == (8, 6, 4)
        assert (dataset.watched_name, dataset.split_name) == ("validation", "test")
    first = load(str(tmp_path)).checksum
    write_image(tmp_path / "val" / "a" / "0.png", 77)
    assert load(str(tmp_path)).checksum != first
    held = load(str(tmp_path)).hold_out(2)
    assert (held.validation, len(held.test), held.watched_name) == (None, 2, "validation")


@pytest.mark.parametrize("inside", ["", "unknown", "test"])
def test_a_test_folder_without_classes_is_no_test_set(inside: str, tmp_path: Path) -> None:
    write_classes(tmp_path / "train", images=20)
    write_image(tmp_path / "test" / inside / "0.png", 0)
    assert numbers(tmp_path) == (36, 4, "test")
    write_classes(tmp_path / "val", images=3)
    dataset = load(str(tmp_path))
    assert (len(dataset.test), dataset.split_name) == (6, "validation")
    assert [note for note in dataset.notes if str(tmp_path / "test") in note] == list(dataset.notes)
    assert len(dataset.notes) == 1


@pytest.mark.parametrize("names", [("train", "bus"), ("test", "bus"), ("train", "test", "val", "bus")])
def test_a_class_may_have_the_name_of_a_split(names: tuple[str, ...], tmp_path: Path) -> None:
    for name in names:
        write_classes(tmp_path, [name], images=10)  # pyright: ignore[reportArgumentType]
    dataset = load(str(tmp_path))
    assert dataset.classes == tuple(sorted(names))
    assert (len(dataset.train), len(dataset.test)) == (9 * len(names), len(names))


def test_a_class_called_train_may_have_folders_of_its_own(tmp_path: Path) -> None:
    write_classes(tmp_path, ["train", "bus"], images=10)  # pyright: ignore[reportArgumentType]
    write_image(tmp_path / "train" / "2019" / "10.png", 9)
    dataset = load(str(tmp_path))
    assert dataset.classes == ("bus", "train")
    assert len(dataset.train) + len(dataset.test) == 21


def test_a_class_within_train_may_be_called_test(tmp_path: Path) -> None:
    write_classes(tmp_path / "train", ["test", "train"], images=10)  # pyright: ignore[reportArgumentType]
    assert load(str(tmp_path)).classes == ("test", "train")


def test_test_images_may_stand_beside_the_class_folders(tmp_path: Path) -> None:
    write_classes(tmp_path, images=5)
    write_classes(tmp_path / "test", images=2)
    assert load(str(tmp_path)).classes == ("a", "b")
    assert numbers(tmp_path) == (10, 4, "test")


@pytest.mark.parametrize("layout", [("train", "test"), ("Training", "Testing"), ("train", "val")])
def test_splits_never_become_classes(layout: tuple[str, str], tmp_path: Path) -> None:
    write_classes(tmp_path, layout, images=3)  # pyright: ignore[reportArgumentType]
    with pytest.raises(DataError, match=re.escape(str(tmp_path))):
        load(str(tmp_path))


def test_a_folder_without_train_is_named(tmp_path: Path) -> None:
    write_classes(tmp_path / "val", images=3)
    write_classes(tmp_path / "test", images=3)
    with pytest.raises(DataError, match=r"train"):
        load(str(tmp_path))


def test_two_folders_of_one_split_are_refused(tmp_path: Path) -> None:
    write_classes(tmp_path / "train", images=3)
    write_classes(tmp_path / "val", images=3)
    write_classes(tmp_path / "valid", images=3)
    with pytest.raises(DataError, match=r"valid: "):
        load(str(tmp_path))
    shutil.rmtree(tmp_path / "valid")
    write_image(tmp_path / "valid" / "0.png", 0)
    assert numbers(tmp_path) == (6, 6, "validation")


@pytest.mark.parametrize("folders", [["images"], ["part1", "part2"], ["0", "1", "unknown"]])
def test_a_test_without_the_classes_of_train_is_not_used(folders: list[str], tmp_path: Path) -> None:
    """As competitions put their unlabelled images."""
    write_classes(tmp_path / "train", images=20)
    for name in folders:
        write_image(tmp_path / "test" / name / "0.png", 0)
    assert numbers(tmp_path) == (36, 4, "test")
    write_classes(tmp_path / "val", images=3)
    assert numbers(tmp_path) == (40, 6, "validation")
    (note,) = load(str(tmp_path)).notes
    assert note.startswith(f"{tmp_path / 'test'}: ")


def test_folders_beside_train_are_named(tmp_path: Path) -> None:
    write_classes(tmp_path / "train", images=20)
    write_classes(tmp_path, "x", images=2)
    (note,) = load(str(tmp_path)).notes
    assert str(tmp_path / "x") in note


@pytest.mark.parametrize(
    ("inside", "meant"),
    [("photos", "photos"), ("photos/train", "photos"), ("x/y/train", "x/y"), ("x/y", "x/y")],
)
def test_folders_too_high_are_told(inside: str, meant: str, tmp_path: Path) -> None:
    """As an archive with a folder of its own leaves them."""
    write_classes(tmp_path / inside, images=3)
    write_classes(tmp_path / "__MACOSX" / inside, images=3)
    with pytest.raises(DataError, match=re.escape(f"is {tmp_path / meant} meant?")):
        load(str(tmp_path))


def test_one_class_is_not_called_one_folder_too_high(tmp_path: Path) -> None:
    write_classes(tmp_path / "photos", "a", images=3)
    with pytest.raises(DataError, match="two or more are needed"):
        load(str(tmp_path / "photos"))


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("cifar-10-batches-py/data_batch_1", "cifar10"),
        ("x/data_batch_1.bin", "cifar10"),
        ("cifar-100-python/train", "cifar100"),
        ("cifar-100-python.tar.gz", "cifar100"),
    ],
)
def test_a_folder_of_cifars_own_files_gets_the_command_that_takes_it(
    file: str, name: str, tmp_path: Path
) -> None:
    """As torchvision's root has them."""
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).touch()
    with pytest.raises(DataError, match=re.escape(f"`resunit data fetch {name} --from {tmp_path}`")):
        load(str(tmp_path))


def refusal(folder: Path) -> str:
    with pytest.raises(DataError) as caught:
        load(str(folder))
    return str(caught.value)


@pytest.mark.parametrize("kind", ["zip", "gztar"])
def test_an_archive_is_to_be_unpacked(kind: str, tmp_path: Path) -> None:
    write_classes(tmp_path / "photos", images=3)
    archive = Path(shutil.make_archive(str(tmp_path / "photos"), kind, tmp_path / "photos"))
    assert refusal(archive).startswith(f"{archive}: not a folder; unpack {archive}")
    within = tmp_path / "within"
    within.mkdir()
    moved = archive.rename(within / archive.name)
    assert f"unpack {moved}" in refusal(within)
    assert "unpack" in refusal(moved.rename(within / "no-ending"))


@pytest.mark.parametrize(
    ("file", "told"),
    [
        ("photos.rar", "unpack {file}"),
        ("photos.7z", "unpack {file}"),
        ("ILSVRC2012_img_train.tar", "unpack {file}"),
        ("data/train-00000-of-00001.parquet", "{file} is a table; write each of its images into a folder"),
        ("train.tfrecord-00000-of-00008", "{file} is a file of TFRecords"),
        ("data.npz", "{file} holds arrays; give its images and labels from Python: resunit.train"),
        ("train-images-idx3-ubyte.gz", "{file} holds arrays"),
        ("train/data.mdb", "{file} is a database"),
        ("notes.md", EXPECTED),
    ],
)
def test_other_forms_of_images_are_told_with_what_to_do(file: str, told: str, tmp_path: Path) -> None:
    path = tmp_path / "data" / file
    path.parent.mkdir(parents=True)
    path.write_bytes(b"PAR1 and more")
    assert told.format(file=path) in refusal(tmp_path / "data")
    assert told.format(file=path) in refusal(path)


def test_shards_of_webdataset_are_told_apart_from_archives_of_folders(tmp_path: Path) -> None:
    write_image(tmp_path / "0.png", 0)
    (tmp_path / "0.cls").write_text("1")
    (tmp_path / "shards").mkdir()
    shard = tmp_path / "shards" / "train-000000.tar"
    with tarfile.open(shard, "w") as archive:
        for name in ("0.png", "0.cls"):
            archive.add(tmp_path / name, name)
    for place in (shard, shard.parent):
        assert f"{shard} is a shard of WebDataset; write each of its images into a folder" in refusal(place)


@pytest.mark.parametrize(
    ("labels", "images"),
    [
        ("labels.csv", "images"),
        ("train.csv", "train"),
        ("train/_classes.csv", "train"),
        ("train/labels/0.txt", "train/images"),
        ("annotations/instances_train2017.json", "train2017"),
        ("result.json", "images"),
    ],
)
def test_a_file_of_labels_beside_images_is_named(labels: str, images: str, tmp_path: Path) -> None:
    for number in range(3):
        write_image(tmp_path / images / f"{number}.png", number)
    (tmp_path / labels).parent.mkdir(exist_ok=True)
    (tmp_path / labels).touch()
    told = f"the labels seem to stand in {tmp_path / labels}; move each image into a folder of its class"
    assert told in refusal(tmp_path)


def test_images_beside_the_class_folders_are_said(tmp_path: Path) -> None:
    write_classes(tmp_path, images=3)
    write_image(tmp_path / "preview.png", 0)
    assert load(str(tmp_path)).notes == (f"{tmp_path}: 1 image beside the class folders left out",)


def test_classes_that_differ_in_capitals_alone_are_said(tmp_path: Path) -> None:
    for number, name in enumerate(["Cat", "cat", "dog"]):
        for image in range(3):
            write_image(tmp_path / name / f"{image}.png", 10 * number + image)
    dataset = load(str(tmp_path))
    assert dataset.classes == ("Cat", "cat", "dog")
    assert dataset.notes == (f"{tmp_path}: Cat and cat differ in capitals alone, and are different classes",)


@pytest.mark.parametrize("name", ["C:\\Users\\me\\photos", "photos\\train"])
def test_a_path_of_windows_is_told_to_need_other_slashes(name: str) -> None:
    with pytest.raises(DataError, match=r"no such folder; write / between folders"):
        load(name)


def test_a_link_to_nothing_is_no_unknown_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").symlink_to("gone")
    with pytest.raises(DataError, match=r"photos: a link to .*gone, which is not there"):
        load("photos")


def test_a_val_that_lacks_classes_is_used_and_said(tmp_path: Path) -> None:
    write_classes(tmp_path / "train", "abc", images=4)
    write_classes(tmp_path / "val", "ac", images=2)
    dataset = load(str(tmp_path))
    assert dataset.classes == ("a", "b", "c")
    assert dataset.test.labels.tolist() == [0, 0, 2, 2]
    assert dataset.judged_counts() == [2, 0, 2]
    (note,) = dataset.notes
    assert note.startswith(f"{tmp_path / 'val'}: ")
    assert re.search(r"\bb\b", note.removeprefix(str(tmp_path)))
    assert sorted(stream(str(tmp_path)).test.labels.tolist()) == [0, 0, 2, 2]


HIDDEN = (
    "a/._0.png", "a/.hidden.png", "__MACOSX/a/0.png", "__MACOSX/a/._0.png", "a/__MACOSX/0.png",
    "a/.ipynb_checkpoints/0-checkpoint.png", ".Trash/x/0.png", "a/@eaDir/0.png/SYNO_THUMB.png", "@eaDir/a/0.png",
    "#recycle/a/0.png", "a/.@__thumb/s100.png", "@Recycle/a/0.png", "$RECYCLE.BIN/a/0.png", "lost+found/0/0.png",
    "System Volume Information/x/0.png", "~snapshot/a/0.png", "a/@SynoResource/0.png", "RECYCLED/a/0.png",
    "TheVolumeSettingsFolder/a/0.png",
)  # fmt: skip


@pytest.mark.parametrize("name", HIDDEN)
def test_what_systems_leave_is_no_image(name: str, tmp_path: Path) -> None:
    write_classes(tmp_path)
    plain = load(str(tmp_path))
    write_image(tmp_path / name, 3)
    (tmp_path / name).with_name("._other.png").write_bytes(b"\0\5\x16\7" * 30)
    dataset = load(str(tmp_path))
    assert dataset.checksum == plain.checksum
    assert dataset.classes == ("a", "b")
    assert dataset.notes == ()


def test_a_folder_with_the_name_of_an_image_is_none(tmp_path: Path) -> None:
    write_classes(tmp_path, images=4)
    write_image(tmp_path / "a" / "9.jpg" / "inner.png", 3)
    (tmp_path / "b" / "empty.png").mkdir()
    dataset = load(str(tmp_path))
    assert len(dataset.train) + len(dataset.test) == 9


def test_a_pipe_with_the_name_of_an_image_is_none(tmp_path: Path) -> None:
    write_classes(tmp_path, images=4)
    os.mkfifo(tmp_path / "a" / "pipe.png")
    assert sum(numbers(tmp_path)[:2]) == 8


def test_linked_folders_and_files_count(tmp_path: Path) -> None:
    write_classes(tmp_path / "elsewhere", "xy", images=4)
    write_image(tmp_path / "single.png", 9)
    photos = tmp_path / "photos"
    write_classes(photos, "a", images=4)
    (photos / "b").symlink_to(tmp_path / "elsewhere" / "x")
    (photos / "a" / "more").symlink_to(tmp_path / "elsewhere" / "y")
    (photos / "a" / "single.png").symlink_to(tmp_path / "single.png")
    dataset = load(str(photos))
    assert dataset.classes == ("a", "b")
    assert len(dataset.train) + len(dataset.test) == 4 + 4 + 4 + 1


def test_a_link_to_a_folder_above_ends(tmp_path: Path) -> None:
    write_classes(tmp_path, images=4)
    (tmp_path / "a" / "again").symlink_to(tmp_path / "a")
    (tmp_path / "b" / "round").symlink_to(tmp_path / "b")
    assert sum(numbers(tmp_path)[:2]) == 8


def test_a_broken_link_is_named(tmp_path: Path) -> None:
    write_classes(tmp_path, images=4)
    (tmp_path / "a" / "gone.png").symlink_to(tmp_path / "nowhere.png")
    with pytest.raises(DataError, match=r"a/gone\.png: "):
        load(str(tmp_path))


@pytest.mark.parametrize("name", ["a/loop.png", "a/loop", "loop"])
def test_a_link_to_itself_is_a_file_that_is_named_or_nothing(name: str, tmp_path: Path) -> None:
    write_classes(tmp_path)
    (tmp_path / name).symlink_to((tmp_path / name).name)
    if name.endswith(".png"):
        with pytest.raises(DataError, match=r"a/loop\.png: "):
            load(str(tmp_path))
        assert len(load(str(tmp_path), skip_broken=1).notes) == 1
    else:
        assert numbers(tmp_path) == (90, 10, "test")


@pytest.mark.parametrize(
    "ending", [".mpo", ".jfif", ".jpe", ".JFIF", ".avif", ".webp", ".tga", ".pcx", ".jp2", ".pnm", ".ico"]
)
def test_every_ending_that_pillow_reads_counts(ending: str, tmp_path: Path) -> None:
    write_classes(tmp_path, images=3)
    for index in range(3):
        file = tmp_path / "c" / f"{index}{ending}"
        file.parent.mkdir(exist_ok=True)
        Image.new("RGB", (32, 32), (90, 90, 90)).save(file)
    dataset = load(str(tmp_path))
    assert dataset.classes == ("a", "b", "c")
    assert int((dataset.train.labels == 2).sum() + (dataset.test.labels == 2).sum()) == 3
    assert dataset.notes == ()


def test_a_class_without_a_readable_file_is_named(tmp_path: Path) -> None:
    write_classes(tmp_path, images=3)
    for index in range(12):
        (tmp_path / "c").mkdir(exist_ok=True)
        (tmp_path / "c" / f"{index}.heic").write_bytes(b"\0\0\0\x20ftypheic")
    (tmp_path / "d").mkdir()
    dataset = load(str(tmp_path))
    assert dataset.classes == ("a", "b")
    c, d = dataset.notes
    assert c.startswith(f"{tmp_path / 'c'}: 12 ")
    assert ".heic" in c
    assert d.startswith(f"{tmp_path / 'd'}: ")


def test_photographs_that_are_left_out_are_said(tmp_path: Path) -> None:
    write_classes(tmp_path, images=3)
    (tmp_path / "a" / "x.HEIC").write_bytes(b"\0\0\0\x20ftypheic")
    (tmp_path / "a" / "photo.jpg?w=200").write_bytes(b"\xff\xd8")
    (tmp_path / "a" / "notes.txt").write_text("nothing")
    (note,) = load(str(tmp_path)).notes
    assert note.startswith(
        f"{tmp_path / 'a'}: 2 files with an ending that is not read left out (.heic, .jpg?...);"
    )


def test_a_folder_of_unreadable_classes_names_the_ending(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / "train" / name).mkdir(parents=True)
        (tmp_path / "train" / name / "0.heic").write_bytes(b"\0\0\0\x20ftypheic")
    with pytest.raises(DataError, match=r"\.heic"):
        load(str(tmp_path))


@pytest.mark.parametrize("images", [2, 7, 14, 16, 50, 101])
def test_the_held_out_part_is_stratified(images: int, tmp_path: Path) -> None:
    counts = {"a": images, "b": 30, "c": 1}
    for name, count in counts.items():
        write_classes(tmp_path, name, images=count)
    held = load(str(tmp_path)).judged_counts()
    assert held == [max(1, round(images / 10)), 3, 0]


def test_nothing_to_hold_out_is_refused(tmp_path: Path) -> None:
    write_classes(tmp_path, "abc", images=1)
    with pytest.raises(DataError, match=re.escape(str(tmp_path))):
        load(str(tmp_path))


def test_names_of_any_bytes_are_read(tmp_path: Path) -> None:
    write_classes(tmp_path, "a", images=12)
    odd = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xe9t\xe9"))
    write_classes(tmp_path, "b", images=11)
    (tmp_path / "b").rename(odd)
    shutil.copy(tmp_path / "a" / "0.png", os.fsdecode(os.fsencode(tmp_path / "a") + b"/caf\xe9.png"))
    for dataset in (load(str(tmp_path)), stream(str(tmp_path))):
        assert dataset.classes == ("a", odd.name)
        assert len(dataset.train) + len(dataset.test) == 24
        assert re.fullmatch("[0-9a-f]{64}", dataset.checksum)
