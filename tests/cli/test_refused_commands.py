"""What commands refuse, each in one clear line on stderr with its exit code."""

import errno
import json
import os
import shutil
from pathlib import Path

import pytest
from PIL import Image

import resunit
from resunit.cli import main
from resunit.cli.app import fail
from resunit.errors import FileFormatError
from resunit.runs.folder import RunFolder, create_run_folder
from resunit.training.recipe import with_changes
from resunit.training.recipes import named_recipe
from tests.cli.command_lines import TRAIN, refused


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((*TRAIN, "--model", "resnt20"), ("model 'resnt20'", "'resnet20'")),
        ((*TRAIN, "--design", "orginal"), ("design 'orginal'", "'original'")),
        ((*TRAIN, "--recipe", "quik"), ("recipe 'quik'", "'quick'")),
        ((*TRAIN, "--learning-rte", "1"), ("--learning-rte", "--learning-rate")),
        ((*TRAIN, "--learning-rte=1"), ("--learning-rte", "--learning-rate")),
        ((*TRAIN, "--lr", "1"), ("--lr", "--learning-rate")),
        ((*TRAIN, "--nestrov"), ("--nestrov", "--nesterov")),
        ((*TRAIN, "--set", "steps=3"), ("--set",)),
        ((*TRAIN, "--gate-bias", "-6"), ("gate_bias",)),
        ((*TRAIN, "--gate-bias", "open"), ("--gate-bias", "a number")),
        ((*TRAIN, "--drop-probability", "1"), ("--drop-probability", "below 1")),
        ((*TRAIN, "--steps", "0"), ("--steps", "at least 1")),
        ((*TRAIN, "--steps", "4", "--epochs", "2"), ("steps", "epochs")),
        ((*TRAIN, "--milestones", "0.5,0.2"), ("milestones",)),
        ((*TRAIN, "--precision", "fp8"), ("--precision", "fp32")),
        ((*TRAIN, "--device", "gpu"), ("device 'gpu'", "cpu")),
        ((*TRAIN, "--device", "0"), ("device '0'", "cuda:0")),
        (("train", "--data", ""), ("--data", "empty")),
        (("train", "--data="), ("--data", "empty")),
        (("train", "--out="), ("--out", "empty")),
        (("predict", "runs/x", ""), ("runs/x", "empty")),
        (
            ("predict", "runs/x", "https://example.org/a/cat.jpg"),
            ("https://example.org/a/cat.jpg", "download"),
        ),
        (("train", "--data=file:///photos"), ("file:///photos", "path")),
        ((*TRAIN, "--recipe", "paper", "--config", "recipe.json"), ("--recipe", "--config")),
        (("propagation", "resnet20", "--gate-bais", "1"), ("--gate-bais", "--gate-bias")),
        (("reproduce", "table1", "--learning-rte", "1"), ("--learning-rte", "--learning-rate")),
        (("evaluate", "somewhere", "--augmented-views"), ("--augmented-views", "--tta")),
        ((*TRAIN, "--sed", "1"), ("--sed", "--seed")),
        ((*TRAIN, "--seed", "one"), ("--seed",)),
        ((*TRAIN, "--steps", "2", "--steps=3"), ("--steps",)),
        ((*TRAIN, "--cpu"), ("--cpu", "--device")),
        ((*TRAIN, "--save-freq", "3"), ("--save-freq", "--checkpoint-every")),
        (("trian",), ("trian", "'train'")),
        (("explor",), ("'explore'",)),
        (("eval", "runs/x"), ("'eval'", "'evaluate'")),
        (("data", "fetc"), ("'data fetc'", "'data fetch'", "fetch, show, verify")),
        (("data", "fetch"), ("data fetch", "cifar10, cifar100, imagenet-resnet50")),
        (("data", "verify"), ("data verify", "cifar10, cifar100, imagenet-resnet50, cifar10-sample")),
        (("data", "show"), ("data show", "cifar10, cifar100, cifar10-sample")),
        (("--seed", "1"), ("--seed", "resunit COMMAND --seed")),
        (("train", "--data", "cifar11"), ("cifar11", "cifar10")),
        (("train", "--resume", "x", "--seed", "1"), ("--resume",)),
        (("models", "vgg*"), ("vgg*",)),
        (("predict", "somewhere"), ("image files",)),
        (("predict",), ("SOURCE", "`resunit predict --help`")),
        (("evaluate",), ("SOURCE", "`resunit evaluate --help`")),
        (("reproduce", "nonsense"), ("table1", "claims", "argument")),
        (("reproduce", "argumnet"), ("'argument'",)),
        (("reproduce",), ("TABLE", "`resunit reproduce --help`")),
        (("export", "runs/x", "--to", "onnx"), ("--out", "`resunit export --help`")),
        (("log", "runs/x"), ("--out", "`resunit log --help`")),
        (("log", "runs/x", "--out"), ("--out", "`resunit log --help`")),
        (("train", "--steps"), ("--steps", "`resunit train --help`")),
        (("train", "--seed", "1", "--milestones"), ("--milestones",)),
    ],
)
def test_usage_errors(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], words: tuple[str, ...]
) -> None:
    line = refused(capsys, 2, *arguments)
    assert all(word in line for word in words), line


@pytest.mark.parametrize("command", ["deploy", "quantise", "runs/quick-1"])
@pytest.mark.parametrize("rest", [(), ("runs/x",), ("--help",), ("--json", "runs/x", "--out=y")])
def test_a_word_that_is_no_command_gets_the_list_of_all(
    capsys: pytest.CaptureFixture[str], command: str, rest: tuple[str, ...]
) -> None:
    line = refused(capsys, 2, command, *rest)
    assert line == (
        f"resunit: unknown command {command!r}; known: convert, data, evaluate, explore, export, log, "
        "models, predict, propagation, report, reproduce, train"
    )


def test_a_used_or_unwritable_folder(capsys: pytest.CaptureFixture[str], tmp_path: Path, run: Path) -> None:
    before = {path.name: path.read_bytes() for path in run.iterdir() if path.is_file()}
    assert "already used" in refused(capsys, 1, *TRAIN, "--out", str(run))
    assert {path.name: path.read_bytes() for path in run.iterdir() if path.is_file()} == before
    file = tmp_path / "file"
    file.write_text("mine")
    assert str(file) in refused(capsys, 1, *TRAIN, "--out", str(file))
    assert "cannot be written" in refused(capsys, 1, *TRAIN, "--out", "/proc/run")
    assert file.read_text() == "mine"
    assert "no recipe.json" in refused(capsys, 1, "train", "--resume", str(tmp_path / "nowhere"))


def test_runs_of_which_files_were_deleted(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, run: Path
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(run, copy)
    (copy / "weights.safetensors").unlink()
    assert f"--resume {copy}" in refused(capsys, 1, "predict", str(copy), "0.png")
    (checkpoint,) = (copy / "checkpoints").glob("*.safetensors")
    line = refused(capsys, 1, "predict", str(checkpoint), "0.png")
    assert "a checkpoint" in line
    assert "folder of the run" in line
    (copy / "recipe.json").unlink()
    assert "no such file" in refused(capsys, 1, "propagation", str(tmp_path / "absent"))
    assert "no such file" in refused(capsys, 1, "propagation", "absent.safetensors")
    assert "name a finished run" in refused(capsys, 1, "predict", str(copy), "0.png")
    assert "no recipe.json" in refused(capsys, 1, "train", "--resume", str(copy))


def test_folders_and_images(capsys: pytest.CaptureFixture[str], tmp_path: Path, run: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert "class" in refused(capsys, 1, "train", "--data", str(tmp_path / "empty"))
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"not an image")
    assert "broken.png" in refused(capsys, 1, "predict", str(run), str(broken))
    assert "absent.png" in refused(capsys, 1, "predict", str(run), str(tmp_path / "absent.png"))


def test_classes_that_the_network_does_not_know(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, run: Path
) -> None:
    for name in ("cat", "hamster"):
        for split in ("train", "val"):
            (tmp_path / "pets" / split / name).mkdir(parents=True)
            Image.new("RGB", (32, 32), "red").save(tmp_path / "pets" / split / name / "1.png")
    line = refused(capsys, 1, "evaluate", str(run), "--data", str(tmp_path / "pets"))
    assert "hamster" in line
    assert "--data" in line
    with pytest.raises(FileFormatError, match=r"design full-preactivation.* original"):
        resunit.create_model("resnet20", weights=run / "weights.safetensors")


@pytest.mark.parametrize(
    ("changes", "field"),
    [({"learning_rte": 1}, "learning_rate"), ({"padding": "wide"}, "padding"), ({"format": 9}, "9")],
)
def test_a_config_that_is_not_a_recipe(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, changes: dict[str, object], field: str
) -> None:
    config = tmp_path / "recipe.json"
    config.write_text(json.dumps(named_recipe("paper").to_json() | changes))
    line = refused(capsys, 1, "train", "--config", str(config))
    assert str(config) in line
    assert field in line


def test_an_error_of_the_operating_system_is_called_unexpected(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_name: str) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("resunit.data.verify", full)
    line = refused(capsys, 1, "data", "verify", "cifar10-sample")
    assert line.startswith("resunit: unexpected OSError")
    assert "--debug" in line


def test_the_traceback_shows_with_debug(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "--model", "resnt20", "--debug"]) == 2
    assert "Traceback" in capsys.readouterr().err


def test_divergence_has_its_exit_code_and_one_line(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """At the first evaluation, and in the weights before the loss."""
    arguments = ["--learning-rate", "1e20", "--warmup", "0", "--steps", "1", "--precision", "fp32"]
    command = [*TRAIN, "--recipe", "paper", "--model", "preresnet20", "--image-size", "8"]
    assert main([*command, *arguments, "--out", str(tmp_path / "run"), "--json"]) == 3
    result = json.loads(capsys.readouterr().out)
    assert (result["status"], result["test_error"]) == ("diverged", None)
    assert (tmp_path / "run" / "report.html").exists()
    assert "diverged at step" in refused(capsys, 1, "train", "--resume", str(tmp_path / "run"))


def test_an_altered_data_file_is_an_error_and_not_a_run_on_the_sample(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "cifar10"
    folder.mkdir()
    names = [f"data_batch_{number}.bin" for number in range(1, 6)] + ["test_batch.bin"]
    for name in names:
        with (folder / name).open("wb") as file:
            file.truncate(30_730_000)  # zeros that take no place on the disk
    (folder / "manifest.json").write_text(json.dumps({"source": "", "sha256": dict.fromkeys(names, "")}))
    monkeypatch.setenv("RESUNIT_DATA", str(tmp_path))
    line = refused(capsys, 1, "train", "--out", str(tmp_path / "run"))
    assert "data_batch_1.bin" in line
    assert "resunit data fetch cifar10" in line
    assert not (tmp_path / "run").exists()


def test_a_damaged_record_is_named(capsys: pytest.CaptureFixture[str], tmp_path: Path, run: Path) -> None:
    shutil.copytree(run, tmp_path / "copy")
    (tmp_path / "copy" / "log.jsonl").write_text("{")
    assert "log.jsonl" in refused(capsys, 1, "report", str(tmp_path / "copy"))


def test_two_processes_do_not_train_one_run(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    changes = {"model": "preresnet20", "data": "cifar10-sample", "steps": 1}
    recipe = with_changes(named_recipe("paper"), changes)
    create_run_folder(tmp_path / "run", recipe.to_json())
    (tmp_path / "run" / "log.jsonl").write_text("written by the other process")
    with RunFolder(tmp_path / "run").only_user():
        assert "another process" in refused(capsys, 1, "train", "--resume", str(tmp_path / "run"))
    assert (tmp_path / "run" / "log.jsonl").read_text() == "written by the other process"


def test_a_path_that_the_system_refuses_is_one_line_with_what_to_do(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert "unexpected" not in refused(capsys, 1, "data", "check", "p/" + 300 * "x")
    for number in (errno.EACCES, errno.ENAMETOOLONG, errno.EIO):
        assert fail(OSError(number, os.strerror(number), "photos"), 1) == 1
        told = (
            f"resunit: photos: cannot be used ({os.strerror(number)}); correct the path, or give its rights\n"
        )
        assert capsys.readouterr().err == told


def test_a_library_that_cannot_be_loaded_is_one_line_with_what_to_do(
    capsys: pytest.CaptureFixture[str],
) -> None:
    fail(ImportError("libtorch_cpu.so: failed to map segment from shared object"), 1)
    told = capsys.readouterr().err
    assert told.startswith("resunit: a library cannot be loaded (libtorch_cpu.so: failed to map segment")
    assert "give more memory" in told


def test_a_file_of_a_run_in_the_place_of_its_folder_is_told_the_folder(
    capsys: pytest.CaptureFixture[str], run: Path
) -> None:
    folder = f"name the folder of the run, such as {run}"
    for name in ("recipe.json", "log.jsonl", "report.html"):
        assert f"{run / name}: holds no weights; {folder}" in refused(capsys, 1, "evaluate", str(run / name))
    for arguments in (("train", "--resume"), ("log", "--out", "x")):
        told = refused(capsys, 1, *arguments, str(run / "recipe.json"))
        assert f"{run / 'recipe.json'}: is a file; name the folder of a run, such as {run}" in told


def test_no_answers_are_written_over_what_is_read(
    capsys: pytest.CaptureFixture[str], run: Path, tmp_path: Path
) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    before = (tmp_path / "a.png").read_bytes()
    for option in ("--csv", "--html"):
        told = refused(
            capsys, 2, "predict", str(run), str(tmp_path / "a.png"), option, str(tmp_path / "a.png")
        )
        assert f"{option} {tmp_path / 'a.png'} would write over what is read" in told
    assert (tmp_path / "a.png").read_bytes() == before


def test_a_working_folder_that_is_gone_is_one_line(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    assert "is gone; change to another" in refused(capsys, 1, "models")
