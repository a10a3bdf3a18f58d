"""Training on images that stay on disk, as on ImageNet: batches, runs, their errors, and stopping them."""

import base64
import io
import os
import signal
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import resunit
from resunit.cli import main
from resunit.data import Normalisation, stream
from resunit.inference.classifier import load
from resunit.inference.weights_evaluation import evaluate_weights
from resunit.models.network import ResidualNetwork
from resunit.models.registry import network_spec
from resunit.models.summary import count_multiply_adds
from resunit.runs.folder import RunFolder
from resunit.runs.schema import RunResult
from resunit.training.batches import Batches, GhostBatch, describe_augmentation
from resunit.training.distributed import Distributed
from resunit.training.evaluation import Errors, compute_errors, evaluate_views
from resunit.training.precision import autocast
from resunit.training.recipe import with_changes
from resunit.training.recipes import named_recipe
from tests.data.photographs import CLASSES, write_photographs
from tests.patience import PATIENCE, wait_for_checkpoint
from tests.training.command_lines import Value, options, resume_command, train_command

CPU = torch.device("cpu")
CHANGES: dict[str, Value] = {
    "model": "preresnet20", "image_size": 14, "steps": 12, "batch_size": 12, "ghost_batch_size": 6,
    "checkpoint_every": 2,
}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_photographs(tmp_path_factory.mktemp("photographs") / "photos", train=6)


def command(folder: Path, out: Path, **changes: Value) -> list[str]:
    return train_command(out, CHANGES | {"data": str(folder)} | changes, "imagenet")


def result_of(folder: Path) -> RunResult:
    result = RunFolder(folder).read_result()
    assert result is not None
    return result


@pytest.fixture(scope="module")
def undisturbed(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "undisturbed"
    changes = CHANGES | {"data": str(folder), "tta": True}
    resunit.train(with_changes(named_recipe("imagenet"), changes), out=out, quiet=True)
    return out


def test_batches_depend_on_no_ghost_batch_and_no_rank_and_no_beginning(folder: Path) -> None:
    train = stream(str(folder), image_size=14).train
    batches = Batches(
        split=train,
        normalisation=Normalisation.of_imagenet(),
        augmentation=describe_augmentation(named_recipe("imagenet")),
        seed=0,
        batch_size=12,
        ghost_batch_size=None,
        distributed=Distributed(0, 1, CPU),
    )

    def steps(batches: Batches, first: int = 0) -> list[tuple[torch.Tensor, torch.Tensor]]:
        return [joined(groups) for groups in batches.between(first, 5, lambda _step: 14)]

    def joined(ghost_batches: list[GhostBatch]) -> tuple[torch.Tensor, torch.Tensor]:
        return torch.cat([b.images for b in ghost_batches]), torch.cat([b.labels for b in ghost_batches])

    whole = steps(batches)
    assert whole[0][0].shape == (12, 3, 14, 14)
    shares = [
        steps(replace(batches, distributed=Distributed(rank, 2, CPU), ghost_batch_size=3)) for rank in (0, 1)
    ]
    for step, expected in enumerate(whole):
        for part, both in zip(expected, zip(shares[0][step], shares[1][step], strict=True), strict=True):
            assert torch.equal(part, torch.cat(both))
    for resumed, expected in zip(steps(batches, first=4), whole[4:], strict=True):
        assert torch.equal(resumed[0], expected[0])
        assert torch.equal(resumed[1], expected[1])
    epochs = [torch.cat([images for images, _ in whole[3 * epoch :][:2]]) for epoch in (0, 1)]
    assert not torch.equal(*epochs)


def test_top_5_errors_are_of_labels_beyond_the_first_five_answers() -> None:
    logits = torch.arange(100.0).repeat(4, 1)  # class 99 first, class 0 last
    assert compute_errors(logits, torch.tensor([99, 95, 94, 98])) == Errors(75, 25)


def test_of_fewer_than_a_hundred_classes_there_is_no_top_5_error() -> None:
    logits = torch.arange(99.0).repeat(4, 1)
    assert compute_errors(logits, torch.tensor([98, 98, 94, 0])) == Errors(50, None)


def test_top_5_errors_of_other_views(folder: Path) -> None:
    of_a_hundred = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 100))
    split = stream(str(folder), image_size=14).test
    views = evaluate_views(
        of_a_hundred, split, Normalisation.of_imagenet(), "fp32", Distributed(0, 1, CPU), tta=True
    )
    assert [view.view for view in views.errors] == ["large_crop", "ten_crops"]
    assert all(view.top5_error is not None for view in views.errors)
    assert views.passes == {14: 10, 20: 1}


def test_a_run_gives_the_errors_of_both_crops_and_of_ten(undisturbed: Path) -> None:
    result = result_of(undisturbed)
    assert result.split == "validation", "val/ is for validation"
    assert result.test_error is None
    evaluated = evaluate_weights(undisturbed, tta=True)
    assert (evaluated.split, evaluated.images) == ("validation", 12)
    assert evaluated.error == result.validation_error
    assert [view.view for view in result.views] == ["large_crop", "ten_crops"]
    assert evaluated.views == result.views
    assert evaluated.top5_error is result.top5_error is None
    spec = network_spec("preresnet20", num_classes=6)
    passes = {14: 12 * (4 + 10), 20: 12}  # four evaluations, ten crops; a large crop
    flops = sum(2 * count_multiply_adds(spec, side) * count for side, count in passes.items())
    assert result.evaluation_flops == flops
    record = RunFolder(undisturbed).read_evaluation()
    assert record is not None
    wrong = sum(map(sum, record.confusion)) - sum(record.confusion[i][i] for i in range(6))
    assert len(record.mistakes) == wrong > 0
    ten_crops = result.view("ten_crops")
    assert ten_crops is not None
    assert f"{ten_crops.error:.2f}\N{NO-BREAK SPACE}%" in (undisturbed / "report.html").read_text()


def test_predictions_see_what_tests_see(folder: Path, undisturbed: Path) -> None:
    files = sorted((folder / "val").rglob("*.jpg"))
    answers = load(undisturbed).predict(files, top=1)
    wrong = sum(best[0][0] != file.parent.name for best, file in zip(answers, files, strict=True))
    assert 100 * wrong / 12 == pytest.approx(result_of(undisturbed).validation_error)


def test_mistakes_say_where_the_evidence_for_them_lies(folder: Path, undisturbed: Path) -> None:
    """Orange, with the map's greatest value as the most opaque, or blue for negative values; all from the logits."""
    record, classifier = RunFolder(undisturbed).read_evaluation(), load(undisturbed)
    assert record is not None
    network, precision = classifier.network, classifier.precision
    assert isinstance(network, ResidualNetwork)
    split = stream(str(folder), image_size=14).test
    for mistake in record.mistakes:
        (images,) = split.pictures(torch.tensor([mistake.index]))
        with torch.no_grad(), autocast(CPU, precision):
            features = network.eval().forward_features(classifier.normalisation(images)).float()[0]
        weights = network.get_parameter("classifier.weight")[record.classes.index(mistake.predicted)]
        evidence = (weights.detach()[:, None, None] * features).sum(0)
        assert mistake.evidence is not None
        content = base64.b64decode(mistake.evidence.partition(",")[2])
        picture = torch.from_numpy(np.array(Image.open(io.BytesIO(content)))).float()
        assert picture.shape == (*evidence.shape, 4)
        opacity = evidence.abs() / evidence.abs().max()
        torch.testing.assert_close(picture[..., 3] / 220, opacity, atol=0.02, rtol=0)
        red_over_blue = picture[..., 0] > picture[..., 2]
        assert torch.equal(red_over_blue[opacity > 0.05], (evidence > 0)[opacity > 0.05])


@pytest.mark.full
@pytest.mark.parametrize("number", [pytest.param(signal.SIGTERM, marks=pytest.mark.full), signal.SIGKILL])
def test_a_disturbed_run_ends_as_an_undisturbed_one(
    folder: Path, undisturbed: Path, tmp_path: Path, number: signal.Signals
) -> None:
    """A stop, as of Ctrl-C, reaches the processes that decode too; SIGKILL leaves them behind for a while."""
    out = tmp_path / "disturbed"
    process = subprocess.Popen(
        command(folder, out, tta=True), stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        start_new_session=True,
    )  # fmt: skip
    wait_for_checkpoint(out, 4)
    if number == signal.SIGTERM:
        os.killpg(process.pid, number)
        assert process.wait() == 4
    else:
        process.kill()
        process.wait()
        assert not (out / "result.json").exists()
    subprocess.run(resume_command(out), check=True, capture_output=True)
    assert (out / "weights.safetensors").read_bytes() == (undisturbed / "weights.safetensors").read_bytes()


def test_any_recipe_can_stream(folder: Path, tmp_path: Path) -> None:
    """A whitening stem is fitted to the centres of images; smaller ones begin a run."""
    changes: dict[str, Value] = {
        "image_size": 28, "steps": 2, "batch_size": 8, "padding": 0, "crop": "scale-aspect", "tta": True,
    }  # fmt: skip
    out = ["--out", str(tmp_path / "run"), "--json"]
    assert main(["train", "--data", str(folder), *options(changes), *out]) == 0
    result = result_of(tmp_path / "run")
    assert result.view("ten_crops") is not None
    assert result.images_seen == 16


def test_changed_images_end_a_resumed_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One line for a broken image, and one when it was taken away: indices are no longer what they were."""
    folder = write_photographs(tmp_path / "photos", train=4, val=1)
    victim = folder / "train" / CLASSES[2] / "1.jpg"
    victim.write_bytes(b"not an image")
    assert main([*command(folder, tmp_path / "run")[3:], "--json"]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert str(victim) in lines[0]
    victim.unlink()
    assert main(["train", "--resume", str(tmp_path / "run"), "--json"]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert str(tmp_path / "run") in lines[0]


def test_crops_are_refused_where_they_do_not_apply(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    refusals = {
        ("--recipe", "imagenet", "--data", "cifar10"): "cifar10",
        ("--recipe", "imagenet", "--data", "nowhere"): "'nowhere'",
        ("--colour",): "colour",
        ("--data", str(folder), "--crop", "scale"): "crop",
        ("--crop", "scales"): "'scale'",
    }
    for arguments, message in refusals.items():
        assert main(["train", "--out", str(tmp_path / "run"), *arguments]) == 2
        lines = capsys.readouterr().err.splitlines()
        assert len(lines) == 1
        assert message in lines[0]


@pytest.mark.full
def test_the_picture_of_augmentation_shows_crops(folder: Path, tmp_path: Path) -> None:
    arguments = ["data", "show", str(folder), "--recipe", "imagenet"]
    for name, seed in (("a", "0"), ("b", "0"), ("c", "1")):
        assert main([*arguments, "--seed", seed, "--out", str(tmp_path / f"{name}.png"), "--json"]) == 0
    first, same, other = ((tmp_path / f"{name}.png").read_bytes() for name in "abc")
    assert first == same != other


def test_a_broken_image_ends_a_run_before_it_begins(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Even one that the run would not reach."""
    folder = write_photographs(tmp_path / "photos", train=6)
    victim = folder / "val" / "fox" / "1.jpg"
    victim.write_bytes(victim.read_bytes()[:-300])
    arguments = command(folder, tmp_path / "run", steps=1)
    assert main(arguments[arguments.index("train") :]) == 1
    assert capsys.readouterr().err.splitlines()[-1].startswith(f"resunit: {victim}: ")
    assert not (tmp_path / "run").exists()


@pytest.mark.full
def test_a_run_that_meets_a_broken_image_ends(tmp_path: Path) -> None:
    """Its decoding processes end with it, whoever still holds the error."""
    folder = write_photographs(tmp_path / "photos", train=2)
    stream(str(folder), image_size=14, checked=True)
    victim = next((folder / "train").glob("*/*.jp*g"))
    before = victim.stat()
    with victim.open("r+b") as file:  # As a disk that fails after the check.
        file.write(b"no picture" * (before.st_size // 10))
    os.utime(victim, ns=(before.st_atime_ns, before.st_mtime_ns))
    done = subprocess.run(command(folder, tmp_path / "run"), capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 1
    assert "no picture" not in done.stderr
    assert done.stderr.splitlines()[-1].startswith(f"resunit: {victim}: ")
    assert RunFolder(tmp_path / "run").recipe.exists()


def test_no_pictures_are_an_empty_batch(folder: Path) -> None:
    """As the mistakes of a perfect run."""
    (none,) = stream(str(folder), image_size=14).test.pictures(torch.arange(0))
    assert tuple(none.shape) == (0, 3, 14, 14)


def test_images_held_out_begin_with_all_classes(folder: Path) -> None:
    held = stream(str(folder), image_size=14).hold_out(2 * len(CLASSES)).test
    assert len(held.labels[: len(CLASSES)].unique()) == len(CLASSES)
