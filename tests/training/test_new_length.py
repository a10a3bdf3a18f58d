"""Runs that get a new total length when they are resumed, and the newest run by the name "last"."""

import errno
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

import resunit
from resunit.errors import RunError, UsageError, WriteError
from resunit.models.weights import read_weights
from resunit.reports.run_findings import find_in_run
from resunit.runs.folder import RunFolder, newest_run
from resunit.runs.read import read_run
from resunit.runs.schema import Lengthening
from resunit.training.recipe import Recipe, read_stored_recipe, with_changes
from resunit.training.recipes import named_recipe

SMALL: dict[str, Any] = {
    "model": "preresnet20", "data": "cifar10-sample", "steps": 4, "batch_size": 32, "precision": "fp32",
    "image_size": 16, "warmup": 0.0, "ghost_batch_size": None, "evaluate_steps": 4, "schedule": "linear",
    "milestones": (),
}  # fmt: skip


def small(**changes: Any) -> Recipe:
    return with_changes(named_recipe("paper"), SMALL | changes)


def test_a_run_that_is_done_goes_on_in_the_schedule_of_the_new_length(tmp_path: Path) -> None:
    first = resunit.train(small(), out=tmp_path / "run", quiet=True)
    folder = RunFolder(tmp_path / "run")
    before = read_weights(folder.weights).tensors["stem.conv1.weight"].clone()
    result = resunit.resume(folder.path, steps=8, quiet=True)
    assert (first.steps, result.steps, result.status, result.images_seen) == (4, 8, "done", 8 * 32)
    assert not torch.equal(read_weights(folder.weights).tensors["stem.conv1.weight"], before)
    assert [line.step for line in folder.read_log()] == [4, 8]
    assert folder.read_log()[-1].learning_rate == pytest.approx(
        0.1 / 8
    )  # the last step of a line over 8 steps
    assert (read_stored_recipe(folder).steps, read_stored_recipe(folder).epochs) == (8, None)
    environment = folder.read_environment()
    assert environment is not None
    assert environment.lengthened == (Lengthening(4, 8),)
    assert any(
        "lengthened after step 4 to 8 steps" in finding for finding in find_in_run(read_run(folder.path))
    )
    assert resunit.resume(folder.path, quiet=True) == result


def test_where_the_schedule_does_not_depend_on_the_length_a_lengthened_run_is_the_long_run(
    tmp_path: Path,
) -> None:
    constant: dict[str, Any] = {"schedule": "steps", "evaluate_steps": 10}
    long = resunit.train(small(steps=6, **constant), out=tmp_path / "long", quiet=True)
    resunit.train(small(steps=3, **constant), out=tmp_path / "run", quiet=True)
    steps_per_epoch = 1_000 // 32
    result = resunit.resume(tmp_path / "run", epochs=6 / steps_per_epoch, quiet=True)
    assert (result.steps, result.test_error) == (6, long.test_error)
    assert (result.train_loss, result.train_error) == (long.train_loss, long.train_error)
    one, other = (read_weights(tmp_path / name / "weights.safetensors").tensors for name in ("long", "run"))
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_a_lengthened_run_that_was_killed_before_its_end_resumes_without_a_length(tmp_path: Path) -> None:
    resunit.train(small(), out=tmp_path / "run", quiet=True)
    first = resunit.resume(tmp_path / "run", steps=6, quiet=True)
    RunFolder(tmp_path / "run").result.unlink()
    again = resunit.resume(tmp_path / "run", quiet=True)
    assert (again.steps, again.status, again.test_error) == (6, "done", first.test_error)


def test_a_length_that_is_given_again_before_the_end_is_no_new_one(tmp_path: Path) -> None:
    """Torchrun gives it again after a restart; all steps may be done then, and only the result be missing."""
    resunit.train(small(), out=tmp_path / "run", quiet=True)
    folder = RunFolder(tmp_path / "run")
    first = resunit.resume(folder.path, steps=6, quiet=True)
    folder.result.unlink()
    again = resunit.resume(folder.path, steps=6, quiet=True)
    assert (again.steps, again.status, again.test_error) == (6, "done", first.test_error)
    environment = folder.read_environment()
    assert environment is not None
    assert environment.lengthened == (Lengthening(4, 6),)


def test_a_lengthening_that_ends_halfway_leaves_no_old_result_and_can_be_given_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    resunit.train(small(), out=tmp_path / "run", quiet=True)
    folder = RunFolder(tmp_path / "run")

    def refuse(*_: object) -> None:
        raise WriteError(errno.ENOSPC, "No space left on device", "recipe.json")

    with monkeypatch.context() as full_disk:
        full_disk.setattr(RunFolder, "write_recipe", refuse)
        with pytest.raises(WriteError):
            resunit.resume(folder.path, steps=6, quiet=True)
    assert folder.read_finished_result() is None
    with pytest.raises(RunError, match="steps"):
        resunit.resume(folder.path, quiet=True)
    assert resunit.resume(folder.path, steps=6, quiet=True).steps == 6
    environment = folder.read_environment()
    assert environment is not None
    assert environment.lengthened == (Lengthening(4, 6),)


@pytest.mark.parametrize(
    ("length", "named"),
    [
        ({"steps": 4}, "run: .* 4 steps"),
        ({"steps": 3}, "run: .* 4 steps"),
        ({"steps": 9, "epochs": 1}, "epochs.*steps|steps.*epochs"),
    ],
)
def test_a_length_that_is_no_new_total_is_refused_and_changes_nothing(
    length: dict[str, Any], named: str, tmp_path: Path
) -> None:
    resunit.train(small(), out=tmp_path / "run", quiet=True)
    folder = RunFolder(tmp_path / "run")
    before = {path: path.read_bytes() for path in folder.path.iterdir() if path.is_file()}
    with pytest.raises(UsageError, match=named):
        resunit.resume(folder.path, **length, quiet=True)
    assert {path: path.read_bytes() for path in folder.path.iterdir() if path.is_file()} == before


def test_a_run_whose_checkpoints_were_deleted_does_not_begin_anew(tmp_path: Path) -> None:
    """It would replace its own weights, result and log by those of other steps."""
    resunit.train(small(), out=tmp_path / "run", quiet=True)
    folder = RunFolder(tmp_path / "run")
    shutil.rmtree(folder.checkpoints)
    before = {path: path.read_bytes() for path in folder.path.iterdir()}
    with pytest.raises(RunError, match=r"checkpoints are gone.* step 4; .*--weights .*--config"):
        resunit.resume(folder.path, steps=8, quiet=True)
    assert {path: path.read_bytes() for path in folder.path.iterdir()} == before
    folder.weights.unlink()
    with pytest.raises(RunError, match=r"step 4; repeat it with --config"):
        resunit.resume(folder.path, quiet=True)


def test_an_unfinished_run_without_a_checkpoint_says_that_it_begins_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    resunit.train(small(), out=tmp_path / "run", quiet=True)
    folder = RunFolder(tmp_path / "run")
    shutil.rmtree(folder.checkpoints)
    folder.result.unlink()  # A run that was killed has none.
    capsys.readouterr()
    assert resunit.resume(folder.path).status == "done"
    assert "begins again at step 0, because the run has no checkpoint\n" in capsys.readouterr().err


def test_weights_that_were_deleted_come_back_from_the_checkpoint(tmp_path: Path) -> None:
    resunit.train(small(), out=tmp_path / "run", quiet=True)
    folder = RunFolder(tmp_path / "run")
    tensors = read_weights(folder.weights).tensors
    folder.weights.unlink()
    assert resunit.resume(folder.path, quiet=True).status == "done"
    again = read_weights(folder.weights).tensors
    assert all(torch.equal(again[name], tensor) for name, tensor in tensors.items())
    assert [line.step for line in folder.read_log()] == [4]


def test_last_is_the_run_that_was_last_trained_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RunError, match="runs"):
        newest_run()
    for age, name in enumerate(("newer", "older")):
        folder = RunFolder(Path("runs") / name)
        folder.path.mkdir(parents=True)
        folder.write_recipe(small().to_json())
        os.utime(folder.recipe, (1e9 - age, 1e9 - age))
    Path("runs/empty").mkdir()
    assert newest_run() == Path("runs/newer")
    RunFolder(Path("runs/older")).log.touch()
    assert newest_run() == Path("runs/older")
