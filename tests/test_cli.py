"""The command line as users meet it: what works, and one clear line for what does not."""

import json
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

import resunit
from resunit.cli import main
from resunit.cli.training import tell_views
from resunit.designs import DESIGNS
from resunit.tensor_files import read_tensors, write_tensors
from resunit.training.recipe import named_recipe
from resunit.training.run_folder import RunFolder, create_run_folder
from resunit.training.settings import MODEL_OPTIONS, with_settings
from resunit.weights import KIND
from resunit.zoo import CONVENTIONS


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run on the sample."""
    folder = tmp_path_factory.mktemp("runs") / "done"
    recipe = with_settings(named_recipe("paper"), ["model=preresnet20", "data=cifar10-sample", "steps=2"])
    resunit.train(recipe, out=folder, quiet=True)
    return folder


def refused(capsys: pytest.CaptureFixture[str], code: int, *arguments: str) -> str:
    """The one line on stderr of a command that has to fail with `code`."""
    assert main(arguments) == code
    captured = capsys.readouterr()
    assert captured.out == ""
    lines = captured.err.splitlines()
    assert len(lines) == 1, captured.err
    assert "Traceback" not in captured.err
    return lines[0]


TRAIN = ("train", "--data", "cifar10-sample")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((*TRAIN, "--model", "resnt20"), ("model 'resnt20'", "'resnet20'")),
        ((*TRAIN, "--design", "orginal"), ("design 'orginal'", "'original'")),
        ((*TRAIN, "--recipe", "quik"), ("recipe 'quik'", "'quick'")),
        ((*TRAIN, "--set", "learning_rte=1"), ("field 'learning_rte'", "'learning_rate'")),
        ((*TRAIN, "--set", "gate_bias=-6"), ("option", "gate_bias")),
        ((*TRAIN, "--set", "device=gpu"), ("device 'gpu'",)),
        ((*TRAIN, "--sed", "1"), ("--sed", "--seed")),
        ((*TRAIN, "--seed", "one"), ("--seed",)),
        (("trian",), ("trian", "train")),
        (("train", "--data", "cifar11"), ("cifar11", "cifar10")),
        (("train", "--resume", "x", "--seed", "1"), ("--resume",)),
        (("models", "vgg*"), ("vgg*",)),
        (("predict", "somewhere"), ("image files",)),
    ],
)
def test_usage_errors(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], words: tuple[str, ...]
) -> None:
    line = refused(capsys, 2, *arguments)
    assert all(word in line for word in words), line


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


def test_folders_and_images(capsys: pytest.CaptureFixture[str], tmp_path: Path, run: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert "class" in refused(capsys, 1, "train", "--data", str(tmp_path / "empty"))
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"not an image")
    assert "broken.png" in refused(capsys, 1, "predict", str(run), str(broken))
    assert "absent.png" in refused(capsys, 1, "predict", str(run), str(tmp_path / "absent.png"))


class Evil:
    def __reduce__(self) -> tuple:
        return Path.touch, (Path("executed"),)


def test_weights_that_are_not_ours(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    good = (run / "weights.safetensors").read_bytes()
    cases = {
        "missing": None,
        "pickled": pickle.dumps(Evil()),
        "truncated": good[:-100],
        "corrupted": b"\x00" * 8 + good[8:],
        "altered": good[:-50] + bytes([good[-50] ^ 1]) + good[-49:],
        "empty": b"",
    }
    for name, content in cases.items():
        path = tmp_path / f"{name}.safetensors"
        if content is not None:
            path.write_bytes(content)
        assert f"{name}.safetensors" in refused(capsys, 1, "evaluate", str(path))
    save_file({"weight": torch.zeros(2)}, tmp_path / "foreign.safetensors")
    assert "holds no resunit" in refused(capsys, 1, "evaluate", str(tmp_path / "foreign.safetensors"))
    assert not (tmp_path / "executed").exists()


def test_a_mismatched_class_count(capsys: pytest.CaptureFixture[str], tmp_path: Path, run: Path) -> None:
    for name in ("cat", "dog"):
        for split in ("train", "val"):
            (tmp_path / "pets" / split / name).mkdir(parents=True)
            Image.new("RGB", (32, 32), "red").save(tmp_path / "pets" / split / name / "1.png")
    line = refused(capsys, 1, "evaluate", str(run), "--data", str(tmp_path / "pets"))
    assert "10 classes" in line
    assert "2" in line
    with pytest.raises(OSError, match="num_classes 10, not 3"):
        resunit.create_model(weights=run / "weights.safetensors", num_classes=3)
    with pytest.raises(OSError, match="design full-preactivation, not original"):
        resunit.create_model("resnet20", weights=run / "weights.safetensors")


def test_evaluate_repeats_the_run_s_error(capsys: pytest.CaptureFixture[str], run: Path) -> None:
    result = json.loads((run / "result.json").read_text())
    for source in (run, run / "weights.safetensors"):
        assert main(["evaluate", str(source), "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["test_error"] == result["test_error"]


def test_evaluate_labels_augmented_views(capsys: pytest.CaptureFixture[str], run: Path) -> None:
    plain = json.loads((run / "result.json").read_text())["test_error"]
    assert main(["evaluate", str(run), "--augmented-views"]) == 0
    first, *views = capsys.readouterr().out.splitlines()
    assert f"test error {plain:.2f} %" in first
    assert [line.split("%")[-1].strip() for line in views] == [
        "(image and mirror image)", "(six views: shifted and mirrored too)",
    ]  # fmt: skip
    assert all(line.startswith("with views ") for line in views)


def test_top_5_errors_are_told_where_there_are_any(capsys: pytest.CaptureFixture[str]) -> None:
    errors = {"error": 20.7, "top5_error": 5.31, "error_ten_crops": 19.0, "top5_error_ten_crops": 4.8}
    tell_views({f"validation_{name}": error for name, error in errors.items()}, "validation")
    assert capsys.readouterr().out.splitlines() == [
        "top-5 error   5.31 %", "with views    19.00 %, top-5 4.80 %  (ten crops)",
    ]  # fmt: skip


def test_predict_names_classes_with_probabilities(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, run: Path
) -> None:
    Image.effect_noise((50, 40), 90).convert("RGB").save(tmp_path / "noise.jpg")
    assert main(["predict", str(run), str(tmp_path / "noise.jpg"), "--top", "10", "--json"]) == 0
    (prediction,) = json.loads(capsys.readouterr().out)
    probabilities = [answer["probability"] for answer in prediction["classes"]]
    assert probabilities == sorted(probabilities, reverse=True)
    assert sum(probabilities) == pytest.approx(1, abs=1e-4)
    assert {answer["class"] for answer in prediction["classes"]} >= {"cat", "truck"}


def test_create_model_rebuilds_the_network_from_its_weights(run: Path) -> None:
    model = resunit.create_model(weights=run / "weights.safetensors")
    stored = load_file(run / "weights.safetensors")
    assert all(torch.equal(tensor, stored[name]) for name, tensor in model.state_dict().items())
    assert resunit.create_model("preresnet20", weights=run / "weights.safetensors").training


def test_folder_of_images_trains(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    for name, colour in (("red", (200, 30, 30)), ("blue", (30, 30, 200))):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for index in range(20):
            picture = Image.effect_noise((48 + index, 40), 60).convert("RGB")
            Image.blend(picture, Image.new("RGB", picture.size, colour), 0.7).save(
                tmp_path / "photos" / name / f"{index}.png"
            )
    arguments = ["train", "--data", str(tmp_path / "photos"), "--model", "preresnet20", "--recipe", "paper"]
    settings = ["--set", "steps=12", "--set", "image_size=32", "--set", "batch_size=16"]
    assert main([*arguments, *settings, "--out", str(tmp_path / "run"), "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["status"] == "done"
    assert main(["predict", str(tmp_path / "run"), str(tmp_path / "photos" / "red" / "0.png"), "--json"]) == 0
    (prediction,) = json.loads(capsys.readouterr().out)
    assert {answer["class"] for answer in prediction["classes"]} == {"red", "blue"}


def test_models_lists_the_zoo_as_a_table_and_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "preresnet164", "--json"]) == 0
    (record,) = json.loads(capsys.readouterr().out)
    assert (record["depth"], record["parameters"], record["unit"]) == (164, 1_703_258, "bottleneck")
    assert main(["models", "resnet2*"]) == 0
    out = capsys.readouterr().out
    assert "269,722" in out
    assert all(design in out for design in DESIGNS)


def test_data_commands(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["data", "verify", "cifar10-sample"]) == 0
    assert capsys.readouterr().out.count("ok ") == 4
    assert main(["data", "show", "cifar10-sample", "--out", str(tmp_path / "samples.png")]) == 0
    with Image.open(tmp_path / "samples.png") as picture:
        assert min(picture.size) > 500


def test_report_is_written_anew_from_the_records(capsys: pytest.CaptureFixture[str], run: Path) -> None:
    (run / "report.html").unlink()
    assert main(["report", str(run)]) == 0
    assert "preresnet20" in (run / "report.html").read_text()
    capsys.readouterr()
    (run / "empty").mkdir()
    assert "no runs in" in refused(capsys, 2, "report", str(run / "empty"))


def commands() -> list[list[str]]:
    names = ("train", "evaluate", "predict", "models", "report", "reproduce", "propagation", "bench")
    single = [[name] for name in names]
    return [*single, ["propagation", "designs"]] + [["data", name] for name in ("fetch", "verify", "show")]


@pytest.mark.parametrize("command", commands(), ids=" ".join)
def test_every_command_has_help_with_an_example(
    capsys: pytest.CaptureFixture[str], command: list[str]
) -> None:
    assert main([*command, "--help"]) == 0
    text = capsys.readouterr().out
    assert "Example" in text
    assert f"resunit {' '.join(command)}" in text.partition("Example")[2]


def test_the_traceback_shows_with_debug(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "--model", "resnt20", "--debug"]) == 2
    assert "Traceback" in capsys.readouterr().err


def test_without_a_data_source_the_sample_is_used_and_said(tmp_path: Path) -> None:
    """A machine that reaches nothing: no npm on the path, addresses that do not resolve."""
    code = (
        "import socket, sys\n"
        "def refuse(*_args, **_options): raise OSError('no network')\n"
        "socket.getaddrinfo = refuse\n"
        "from resunit.cli import main\n"
        "sys.exit(main(sys.argv[1:]))"
    )
    arguments = ["train", "--recipe", "paper", "--model", "preresnet20", "--set", "steps=2", "--out"]
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments, str(tmp_path / "run")],
        env={
            "PATH": "",
            "OMP_NUM_THREADS": "1",
            "HOME": str(tmp_path),
            "RESUNIT_DATA": str(tmp_path / "data"),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    lines = done.stderr.strip().splitlines()
    assert "small sample" in lines[0]
    assert "small sample" in lines[-1]
    assert json.loads((tmp_path / "run" / "result.json").read_text())["data"] == "cifar10-sample"


def test_divergence_has_its_exit_code_and_one_line(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """At the first evaluation, and in the weights before the loss."""
    settings = ("learning_rate=1e20", "warmup=0", "steps=1", "precision=fp32")
    arguments = [part for setting in settings for part in ("--set", setting)]
    command = [*TRAIN, "--recipe", "paper", "--model", "preresnet20", "--out", str(tmp_path / "run")]
    assert main([*command, *arguments, "--json"]) == 3
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
        (folder / name).write_bytes(b"\0" * 30_730_000)
    (folder / "manifest.json").write_text(json.dumps({"source": "", "sha256": dict.fromkeys(names, "")}))
    monkeypatch.setenv("RESUNIT_DATA", str(tmp_path))
    line = refused(capsys, 1, "train", "--out", str(tmp_path / "run"))
    assert "data_batch_1.bin" in line
    assert "resunit data fetch cifar10" in line
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "changes",
    [
        {"network": {"nonlinearity": "tanh"}},
        {"network": {"branch": "foo"}},
        {"network": {"depths": ["3"]}},
        {"network": {"num_classes": -1}},
        {"network": {"design_options": {"gate": 1}}},
        {"network": {"widths": [16, 32, 65]}},
        {"classes": ["cat"]},
        {"preprocessing": {"image_size": -3}},
        {"preprocessing": {"normalisation": {"kind": "channel", "mean": [1, 2], "std": [1]}}},
        {"result": None},
    ],
    ids=str,
)
def test_weights_whose_record_was_edited(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, run: Path, changes: dict
) -> None:
    record, tensors = read_tensors(run / "weights.safetensors", KIND)
    for key, value in changes.items():
        record[key] = {**record[key], **value} if isinstance(value, dict) else value
    write_tensors(tmp_path / "edited.safetensors", KIND, record, tensors)
    Image.new("RGB", (32, 32)).save(tmp_path / "black.png")
    line = refused(capsys, 1, "predict", str(tmp_path / "edited.safetensors"), str(tmp_path / "black.png"))
    assert "edited.safetensors" in line
    assert "unexpected" not in line


def test_a_damaged_record_is_named(capsys: pytest.CaptureFixture[str], tmp_path: Path, run: Path) -> None:
    shutil.copytree(run, tmp_path / "copy")
    (tmp_path / "copy" / "log.jsonl").write_text("{")
    assert "log.jsonl" in refused(capsys, 1, "report", str(tmp_path / "copy"))


def test_large_images_get_the_imagenet_stem(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for index in range(4):
            Image.effect_noise((100, 90), 60).save(tmp_path / "photos" / name / f"{index}.png")
    settings = ["--set", "image_size=96", "--set", "steps=1", "--set", "batch_size=4"]
    arguments = ["train", "--data", str(tmp_path / "photos"), "--out", str(tmp_path / "run"), "--json"]
    assert main([*arguments, *settings]) == 0
    model = resunit.create_model(weights=tmp_path / "run" / "weights.safetensors")
    assert model.stem.conv1.kernel_size == (7, 7)


def test_two_processes_do_not_train_one_run(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    recipe = with_settings(named_recipe("paper"), ["model=preresnet20", "data=cifar10-sample", "steps=1"])
    create_run_folder(tmp_path / "run", recipe)
    (tmp_path / "run" / "log.jsonl").write_text("written by the other process")
    with RunFolder(tmp_path / "run").only_user():
        assert "another process" in refused(capsys, 1, "train", "--resume", str(tmp_path / "run"))
    assert (tmp_path / "run" / "log.jsonl").read_text() == "written by the other process"


def test_the_command_line_knows_every_option_of_every_design() -> None:
    options = {key for design in DESIGNS.values() for key in design.options}
    assert set(MODEL_OPTIONS) == options | set(CONVENTIONS)


def test_training_tells_how_it_goes_and_which_error_is_which(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    arguments = [
        "--recipe",
        "paper",
        "--model",
        "preresnet20",
        "--set",
        "epochs=2",
        "--out",
        str(tmp_path / "run"),
    ]
    assert main([*TRAIN, *arguments]) == 0
    captured = capsys.readouterr()
    live = captured.err.splitlines()
    assert live[0].startswith("preresnet20: 14 steps of 128 from 1,000 images of cifar10-sample at 32 pixels")
    assert live[1] == "evaluated on 500 test images of 10 classes"
    evaluations = [line for line in live if line.startswith("epoch ")]
    assert len(evaluations) == 2
    assert all(
        word in line for line in evaluations for word in ("train loss", "test loss", "error", "images/s")
    )
    log = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    errors = [line["test_error"] for line in log]
    assert f"{errors[-1]:.2f} %  (last epoch)" in captured.out
    assert (
        f"{min(errors):.2f} %  (epoch {errors.index(min(errors)) + 1}, chosen by its test error)"
        in captured.out
    )
    assert str(tmp_path / "run" / "report.html") in captured.out
