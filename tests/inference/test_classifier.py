"""A trained network that names what images show: `resunit.load(PATH).predict(IMAGES)`."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import resunit
from resunit.data import Normalisation
from resunit.data import load as load_data
from resunit.errors import DataError, FileFormatError, UsageError
from resunit.inference import Classifier
from resunit.io.tensors import read_tensors, write_tensors
from resunit.models.network import build
from resunit.models.registry import network_spec
from resunit.models.weights import KIND, write_weights
from resunit.training.recipe import with_changes
from resunit.training.recipes import named_recipe


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "run"
    changes = {"model": "preresnet20", "data": "cifar10-sample", "steps": 3, "batch_size": 32,
               "validation": 20}  # fmt: skip
    resunit.train(with_changes(named_recipe("paper"), changes), out=folder, quiet=True)
    return folder


@pytest.fixture(scope="module")
def classifier(run: Path) -> Classifier:
    return resunit.load(run)


@pytest.fixture(scope="module")
def arrays() -> list[np.ndarray]:
    """Three CIFAR images."""
    return [image.permute(1, 2, 0).numpy() for image in load_data("cifar10-sample").test.images[:3]]


def test_a_single_image_gets_its_classes_best_first(classifier: Classifier, arrays: list[np.ndarray]) -> None:
    answers = classifier.predict(arrays[0])
    assert len(answers) == 5
    probabilities = [probability for _, probability in answers]
    assert probabilities == sorted(probabilities, reverse=True)
    assert {name for name, _ in answers} <= set(classifier.classes)
    everything = classifier.predict(arrays[0], top=99)
    assert (
        {name for name, _ in everything}
        == set(classifier.classes)
        == set(load_data("cifar10-sample").classes)
    )
    assert sum(probability for _, probability in everything) == pytest.approx(1)
    assert classifier.predict(arrays[0], top=1) == answers[:1]


def weights_for(channels: int, path: Path) -> Path:
    """The weights of a random network for images of that many channels."""
    torch.manual_seed(0)
    spec = network_spec("resnet20", num_classes=3, in_channels=channels)
    normalisation = Normalisation("channel", torch.full((3, 1, 1), 0.5), torch.full((3, 1, 1), 0.25))
    preprocessing = {"image_size": 32, "normalisation": normalisation.to_json()}
    write_weights(path, build(spec), spec, classes=("a", "b", "c"), preprocessing=preprocessing, result={})
    return path


def test_a_network_for_grey_images_sees_the_mean_of_the_colours(
    arrays: list[np.ndarray], tmp_path: Path
) -> None:
    path = weights_for(1, tmp_path / "weights.safetensors")
    grey = torch.from_numpy(np.stack(arrays)).float().mean(-1)[:, None] / 255
    with torch.no_grad():
        logits = resunit.create_model(weights=path).eval()((grey - 0.5) / 0.25)
    expected = logits.softmax(1).max(1)
    for answers, probability, label in zip(
        resunit.load(path).predict(arrays), expected.values.tolist(), expected.indices.tolist(), strict=True
    ):
        assert answers[0] == ("abc"[label], pytest.approx(probability, rel=1e-3))


def test_a_network_for_images_of_other_channels_is_refused(tmp_path: Path) -> None:
    path = weights_for(5, tmp_path / "weights.safetensors")
    with pytest.raises(FileFormatError, match=rf"{path}: .*5 channels.*create_model"):
        resunit.load(path)


def test_arrays_pil_images_and_paths_are_the_same_images(
    classifier: Classifier, arrays: list[np.ndarray], tmp_path: Path
) -> None:
    pictures = [Image.fromarray(array) for array in arrays]
    paths = [tmp_path / f"{index}.png" for index in range(3)]
    for path, picture in zip(paths, pictures, strict=True):
        picture.save(path)
    expected = classifier.predict(arrays)
    assert len(expected) == 3
    assert classifier.predict(pictures) == expected
    assert classifier.predict(paths) == expected
    assert classifier.predict([str(path) for path in paths]) == expected
    assert classifier.predict([arrays[0], pictures[1], paths[2]]) == expected
    assert classifier.predict([]) == []
    for number in range(3):  # One image alone may be computed by another algorithm, which rounds otherwise.
        alone = classifier.predict(paths[number])
        assert [name for name, _ in alone] == [name for name, _ in expected[number]]
        assert [p for _, p in alone] == pytest.approx([p for _, p in expected[number]], abs=1e-3)


def test_predictions_are_the_networks_own(classifier: Classifier, arrays: list[np.ndarray]) -> None:
    images = torch.stack([torch.from_numpy(array).permute(2, 0, 1) for array in arrays])
    with torch.no_grad():
        expected = classifier.network(classifier.normalisation(images)).softmax(1)
    for row, answers in zip(expected, classifier.predict(arrays, top=10), strict=True):
        found = dict(answers)
        # The network may have been trained, and may predict, in bf16.
        assert [found[name] for name in classifier.classes] == pytest.approx(row.tolist(), abs=0.02)


def test_images_of_any_size_and_mode_are_taken(classifier: Classifier) -> None:
    sizes = [Image.new("L", (50, 40)), Image.new("RGBA", (10, 90)), Image.new("P", (32, 32))]
    assert [len(answers) for answers in classifier.predict(sizes, top=2)] == [2, 2, 2]
    assert len(classifier.predict(np.zeros((77, 41, 3), np.uint8), top=2)) == 2


def test_a_weights_file_is_as_good_as_its_run(
    classifier: Classifier, run: Path, arrays: list[np.ndarray]
) -> None:
    alone = resunit.load(run / "weights.safetensors", device="cpu")
    assert alone.predict(arrays) == classifier.predict(arrays)


@pytest.mark.parametrize(
    "image",
    [np.zeros((32, 32, 3)), np.zeros((32, 32), np.uint8), np.zeros((2, 32, 32, 3), np.uint8), [3.5], [None]],
    ids=["float", "grey", "batch", "number", "none"],
)
def test_what_is_no_image_is_refused(classifier: Classifier, image: object) -> None:
    with pytest.raises(UsageError, match=r"\(H, W, 3\) uint8"):
        classifier.predict(image)  # pyright: ignore[reportArgumentType, reportCallIssue]


def test_top_is_at_least_1(classifier: Classifier, arrays: list[np.ndarray]) -> None:
    with pytest.raises(UsageError, match="top"):
        classifier.predict(arrays, top=0)
    with pytest.raises(UsageError, match="top"):
        list(classifier.predict_files([], top=0))


def test_files_that_cannot_be_read_are_named(classifier: Classifier, tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("not an image")
    for name in ("text.png", "absent.png"):
        with pytest.raises(DataError, match=name):
            classifier.predict(tmp_path / name)
    with pytest.raises(FileFormatError, match=r"absent\.safetensors"):
        resunit.load(tmp_path / "absent.safetensors")
    with pytest.raises(FileFormatError, match=r"weights\.safetensors"):
        resunit.load(tmp_path)


@pytest.mark.parametrize(
    ("part", "field", "value"),
    [
        ("preprocessing", "skip_broken", "many"),
        ("preprocessing", "skip_broken", -1),
        ("preprocessing", "skip_broken", 2.0),
        ("preprocessing", "skip_broken", True),
        ("preprocessing", "shorter_side", "32"),
        ("preprocessing", "image_size", 0),
        ("preprocessing", "normalisation", {"kind": "colour", "mean": [[[0.5]]] * 3, "std": [[[0.5]]] * 3}),
        ("result", "data", 10),
        ("result", "precision", ["bf16"]),
        ("", "classes", "0123456789"),
        ("", "classes", list(range(10))),
        ("", "preprocessing", [["image_size", 32]]),
        ("", "result", "none"),
    ],
)
def test_a_field_of_a_weights_file_with_another_type_is_refused_by_name(
    run: Path, tmp_path: Path, part: str, field: str, value: object
) -> None:
    record, tensors = read_tensors(run / "weights.safetensors", KIND)
    path = tmp_path / "weights.safetensors"
    (record[part] if part else record)[field] = value
    write_tensors(path, KIND, record, tensors)
    with pytest.raises(FileFormatError, match=rf"weights\.safetensors: .*\b{field}\b"):
        resunit.load(path)


def test_files_are_answered_one_after_the_other_and_a_bad_one_is_its_error(
    run: Path, arrays: list[np.ndarray], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three at a time, of which two parts hold a bad file, and a part holds nothing else."""
    classifier = resunit.load(run)
    monkeypatch.setattr("resunit.inference.classifier.PIXELS_AT_ONCE", 3 * classifier.image_size**2)
    paths = [tmp_path / f"{number}.png" for number in range(9)]
    bad = {1, 6, 7, 8}
    for number, path in enumerate(paths):
        if number not in bad:
            Image.fromarray(arrays[number % 3]).save(path)
        elif number != 7:
            path.write_bytes(b"no image")
    answers = list(classifier.predict_files(paths, top=2))
    assert [path for path, _ in answers] == paths
    for number, (path, answer) in enumerate(answers):
        if number in bad:
            assert isinstance(answer, DataError)
            assert str(answer).startswith(f"{path}: ")
        else:
            assert not isinstance(answer, DataError)
            ((name, probability), _) = classifier.predict(path, top=2)
            assert answer[0][0] == name
            assert answer[0][1] == pytest.approx(probability, abs=1e-3)
    whole = [answer for _, answer in classifier.predict_files([paths[3], paths[4], paths[5]])]
    assert whole == classifier.predict([paths[3], paths[4], paths[5]])


def test_what_predict_changes_in_images_is_said_once(
    classifier: Classifier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("resunit.data.remarks._told", set())
    for number in range(4):
        Image.fromarray(np.full((32, 32), 1000 * number, np.uint16)).save(tmp_path / f"{number}.png")
    paths = sorted(tmp_path.iterdir())
    assert len(list(classifier.predict_files(paths))) == 4
    assert len(list(classifier.predict_files(paths))) == 4
    classifier.predict(Image.open(paths[0]))
    (line,) = caplog.messages
    assert line == f"{paths[0]} and 3 other files: has more than 8 bits a channel and is scaled to 8"
