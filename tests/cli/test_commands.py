"""The command line as users meet it: what works, and what it says."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

import resunit
from resunit.cli import main
from resunit.cli.training import tell_views
from resunit.models.designs import DESIGNS
from resunit.runs.schema import ViewError
from tests.cli.command_lines import TRAIN, refused


def test_evaluate_repeats_the_error_of_a_run(capsys: pytest.CaptureFixture[str], run: Path) -> None:
    result = json.loads((run / "result.json").read_text())
    for source in (run, run / "weights.safetensors"):
        assert main(["evaluate", str(source), "--json"]) == 0
        found = json.loads(capsys.readouterr().out)
        assert (found["split"], found["error"]) == ("test", result["test_error"])


def test_evaluate_labels_the_views_of_test_time_augmentation(
    capsys: pytest.CaptureFixture[str], run: Path
) -> None:
    plain = json.loads((run / "result.json").read_text())["test_error"]
    assert main(["evaluate", str(run), "--tta"]) == 0
    first, *views = capsys.readouterr().out.splitlines()
    assert f"test error {plain:.2f} %" in first
    assert [line.split("%")[-1].strip() for line in views] == [
        "(image and mirror image)", "(six views: shifted and mirrored too)",
    ]  # fmt: skip
    assert all(line.startswith("with views ") for line in views)


def test_top_5_errors_are_told_where_there_are_any(capsys: pytest.CaptureFixture[str]) -> None:
    tell_views(5.31, [ViewError("ten_crops", 19.0, 4.8)])
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


@pytest.mark.parametrize("json_option", [[], ["--json"]])
def test_predict_names_a_bad_file_and_answers_for_the_others(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, run: Path, json_option: list[str]
) -> None:
    good = [str(tmp_path / f"{number}.png") for number in range(299)]
    Image.new("RGB", (32, 32), "red").save(good[0])
    for path in good[1:]:
        os.link(good[0], path)
    (tmp_path / "bad.png").write_bytes(b"no image")
    files = [*good[:150], str(tmp_path / "bad.png"), *good[150:]]
    assert main(["predict", str(run), *files, *json_option]) == 1
    captured = capsys.readouterr()
    (line,) = captured.err.splitlines()
    assert str(tmp_path / "bad.png") in line
    if json_option:
        told = [entry["image"] for entry in json.loads(captured.out)]
    else:
        told = [text.partition(": ")[0] for text in captured.out.splitlines()]
    assert told == good


def test_create_model_rebuilds_the_network_from_its_weights(run: Path) -> None:
    model = resunit.create_model(weights=run / "weights.safetensors")
    stored = load_file(run / "weights.safetensors")
    assert all(torch.equal(tensor, stored[name]) for name, tensor in model.state_dict().items())
    assert resunit.create_model("preresnet20", weights=run / "weights.safetensors").training


def test_folder_of_images_trains_and_is_shown_as_it_was_typed(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, colour in (("red", (200, 30, 30)), ("blue", (30, 30, 200))):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for index in range(20):
            picture = Image.effect_noise((48 + index, 40), 60).convert("RGB")
            Image.blend(picture, Image.new("RGB", picture.size, colour), 0.7).save(
                tmp_path / "photos" / name / f"{index}.png"
            )
    arguments = ["train", "--data", "photos/", "--model", "preresnet20", "--recipe", "paper"]
    settings = ["--steps", "2", "--image-size", "16", "--batch-size", "16"]
    assert main([*arguments, *settings, "--out", "run"]) == 0
    said = capsys.readouterr()
    assert "images of photos/ at 16 pixels" in said.err
    assert said.out.startswith("preresnet20 on photos/, seed 0")
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    assert (result["status"], result["data"]) == ("done", str(tmp_path / "photos"))
    assert main(["evaluate", "run", "--data", "photos/"]) == 0
    assert capsys.readouterr().out.startswith("photos/: 40 images")
    assert main(["predict", "run", str(tmp_path / "photos" / "red" / "0.png"), "--json"]) == 0
    (prediction,) = json.loads(capsys.readouterr().out)
    assert {answer["class"] for answer in prediction["classes"]} == {"red", "blue"}


def test_models_lists_the_zoo_as_a_table_and_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "preresnet164", "--json"]) == 0
    (record,) = json.loads(capsys.readouterr().out)
    assert (record["depth"], record["parameters"], record["unit"]) == (164, 1_703_258, "bottleneck")
    assert main(["models", "resnet2*"]) == 0
    out = capsys.readouterr().out
    assert "269,722" in out
    shown = "".join(out.split())  # A terminal breaks lines.
    of_the_package = [
        design for design in DESIGNS if ":" not in design
    ]  # Other tests may have added their own.
    assert all(design in shown for design in of_the_package)


def test_a_closed_pipe_ends_a_command_quietly() -> None:
    command = [sys.executable, "-m", "resunit", "models", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 1


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
    names = (
        "train", "evaluate", "predict", "export", "models", "explore", "report", "log", "reproduce", "propagation",
        "--install-completion",
    )  # fmt: skip
    return [[name] for name in names] + [["data", name] for name in ("fetch", "verify", "check", "show")]


@pytest.mark.parametrize("command", commands(), ids=" ".join)
def test_every_command_has_help_with_an_example(
    capsys: pytest.CaptureFixture[str], command: list[str]
) -> None:
    assert main([*command, "--help"]) == 0
    text = capsys.readouterr().out
    assert "Example" in text
    assert f"resunit {' '.join(command)}" in text.partition("Example")[2]


@pytest.mark.full
def test_without_a_data_source_the_sample_is_used_and_said(tmp_path: Path) -> None:
    """A machine that reaches nothing: no npm on the path, addresses that do not resolve."""
    code = (
        "import socket, sys\n"
        "def refuse(*_args, **_options): raise OSError('no network')\n"
        "socket.getaddrinfo = refuse\n"
        "from resunit.cli import main\n"
        "sys.exit(main(sys.argv[1:]))"
    )
    arguments = ["train", "--recipe", "paper", "--model", "preresnet20", "--steps", "2", "--out"]
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
    assert sum("small sample" in line for line in lines) == 2
    assert "small sample" in lines[-1]
    assert json.loads((tmp_path / "run" / "result.json").read_text())["data"] == "cifar10-sample"


def test_large_images_get_the_imagenet_stem(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for index in range(4):
            Image.effect_noise((100, 90), 60).save(tmp_path / "photos" / name / f"{index}.png")
    settings = ["--image-size", "96", "--steps", "1", "--batch-size", "4"]
    arguments = ["train", "--data", str(tmp_path / "photos"), "--out", str(tmp_path / "run"), "--json"]
    assert main([*arguments, *settings]) == 0
    model = resunit.create_model(weights=tmp_path / "run" / "weights.safetensors")
    conv = model.stem.get_submodule("conv1")
    assert isinstance(conv, torch.nn.Conv2d)
    assert conv.kernel_size == (7, 7)


def test_training_tells_how_it_goes_and_which_error_is_which(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    arguments = ["--recipe", "paper", "--model", "preresnet20", "--image-size", "8", "--epochs", "2"]
    assert main([*TRAIN, *arguments, "--out", str(tmp_path / "run")]) == 0
    captured = capsys.readouterr()
    live = captured.err.splitlines()
    assert live[0].startswith("preresnet20: 14 steps of 128 from 1,000 images of cifar10-sample at 8 pixels")
    assert live[1] == "evaluated on 500 test images of 10 classes"
    evaluations = [line for line in live if line.startswith("epoch ")]
    assert len(evaluations) == 2
    assert all(
        word in line for line in evaluations for word in ("train loss", "test loss", "error", "images/s")
    )
    log = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    errors = [line["error"] for line in log]
    assert f"{errors[-1]:.2f} %  (last epoch)" in captured.out
    assert (
        f"{min(errors):.2f} %  (epoch {errors.index(min(errors)) + 1}, chosen by its test error)"
        in captured.out
    )
    assert str(tmp_path / "run" / "report.html") in captured.out


@pytest.mark.parametrize("word", ["learning-rate", "lr", "LR"])
def test_a_field_is_known_by_its_name_in_other_tools(
    capsys: pytest.CaptureFixture[str], run: Path, word: str
) -> None:
    line = refused(capsys, 2, "report", str(run), "--against", word)
    assert "--against learning-rate: all runs have learning_rate 0.1" in line
