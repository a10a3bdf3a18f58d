"""Exported files predict and are evaluated as the network itself, and a bad one is refused in one sentence."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import onnx
import pytest

import resunit
from resunit.cli import main
from resunit.errors import FileFormatError, UsageError
from resunit.inference import evaluate_weights
from resunit.inference.exported import KEY
from resunit.interop.export.exporting import export
from tests.cli.command_lines import refused
from tests.interop.stored_networks import images, small, store


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exports")
    weights = folder / "weights.safetensors"
    store(weights, small(), side=16)
    export(weights, folder / "model.onnx", to="onnx")
    export(weights, folder / "bytes.onnx", to="onnx", with_preprocessing="nhwc")
    export(weights, folder / "openvino", to="openvino")
    return folder


@pytest.mark.parametrize("name", ["model.onnx", "bytes.onnx", "openvino", "openvino/model.xml"])
def test_an_exported_file_answers_as_its_network(folder: Path, name: str) -> None:
    arrays = [image.permute(1, 2, 0).numpy() for image in images(8, side=40)]
    expected = resunit.load(folder / "weights.safetensors", device="cpu").predict(arrays)
    found = resunit.load(folder / name).predict(arrays)
    for one, other in zip(found, expected, strict=True):
        assert [named for named, _ in one] == [named for named, _ in other]
        assert [p for _, p in one] == pytest.approx([p for _, p in other], abs=1e-4)


@pytest.mark.parametrize("name", ["model.onnx", "bytes.onnx", "openvino"])
def test_an_exported_file_has_its_networks_error(folder: Path, name: str) -> None:
    expected = evaluate_weights(folder / "weights.safetensors", tta=True)
    found = evaluate_weights(folder / name, tta=True)
    assert found.confusion == expected.confusion
    assert found.loss == pytest.approx(expected.loss, rel=1e-4)
    assert [view.error for view in found.views] == [view.error for view in expected.views]


def test_the_commands(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from PIL import Image

    Image.fromarray(images(1, side=50)[0].permute(1, 2, 0).numpy()).save(tmp_path / "a.png")
    out = tmp_path / "again.onnx"
    assert (
        main(["export", str(folder / "weights.safetensors"), "--to", "onnx", "--out", str(out), "--json"])
        == 0
    )
    told = json.loads(capsys.readouterr().out)
    assert told["agreement"]["images"] == 64
    assert told["bytes"] == out.stat().st_size
    answers = []
    for source in (folder / "weights.safetensors", out):
        assert main(["predict", str(source), str(tmp_path / "a.png"), "--json"]) == 0
        answers.append([answer["class"] for answer in json.loads(capsys.readouterr().out)[0]["classes"]])
    assert answers[0] == answers[1]
    assert main(["predict", str(out), str(tmp_path / "a.png"), "--html", str(tmp_path / "a.html")]) == 0
    capsys.readouterr()
    assert "An exported network gives no map of the evidence" in (tmp_path / "a.html").read_text()
    assert main(["evaluate", str(out), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["images"] == 500
    assert "is there already" in refused(
        capsys, 2, "export", str(folder / "weights.safetensors"), "--to", "onnx", "--out", str(out)
    )


def altered(change: Callable[[dict], object]) -> Callable[[bytes], bytes]:
    def alter(content: bytes) -> bytes:
        model = onnx.load_from_string(content)
        record = json.loads(model.metadata_props[0].value)
        change(record)
        onnx.helper.set_model_props(model, {KEY: json.dumps(record)})
        return model.SerializeToString()

    return alter


def without_record(content: bytes) -> bytes:
    model = onnx.load_from_string(content)
    del model.metadata_props[:]
    return model.SerializeToString()


def record_of(text: str) -> Callable[[bytes], bytes]:
    def alter(content: bytes) -> bytes:
        model = onnx.load_from_string(content)
        onnx.helper.set_model_props(model, {KEY: text})
        return model.SerializeToString()

    return alter


BAD = {
    "truncated": (lambda content: content[: len(content) // 2], ".onnx"),
    "empty": (lambda _: b"", ".onnx"),
    "no model": (lambda _: b"\x80\x04\x95" + b"x" * 5000, ".onnx"),
    "foreign": (without_record, KEY),
    "no JSON": (record_of("{"), "record"),
    "a list": (record_of("[]"), "record"),
    "nested": (record_of("[" * 100_000), "record"),
    "newer": (altered(lambda record: record.update(format=99)), "99"),
    "no input": (altered(lambda record: record.pop("input")), "record"),
    "other input": (altered(lambda record: record.update(input="float64")), "record"),
    "fewer classes": (altered(lambda record: record["classes"].pop()), "9 classes"),
    "another side": (
        altered(lambda record: record["preprocessing"].update(image_size=48)),
        ".onnx",
    ),
    "no preprocessing": (altered(lambda record: record["preprocessing"].clear()), "normalisation"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_is_refused_in_one_line(
    name: str, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    change, named = BAD[name]
    path = tmp_path / "bad.onnx"
    path.write_bytes(change((folder / "model.onnx").read_bytes()))
    for command in ("evaluate", "predict"):
        line = refused(capsys, 1, command, str(path), *(["x.png"] if command == "predict" else []))
        assert str(path) in line
        assert named in line


def test_other_bad_files(folder: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    text = (folder / "openvino" / "model.xml").read_text()
    (broken / "model.xml").write_text(text)  # without model.bin
    with pytest.raises(FileFormatError, match=r"model\.xml: "):
        resunit.load(broken)
    (broken / "model.xml").write_text(text[: len(text) // 2])
    with pytest.raises(FileFormatError, match=r"model\.xml: "):
        resunit.load(broken)
    for name in ("absent.onnx", "absent.xml"):
        with pytest.raises(FileFormatError, match=f"{tmp_path / name}: "):
            resunit.load(tmp_path / name)
    (tmp_path / "model.pt2").write_bytes(b"PK")
    with pytest.raises(FileFormatError, match=r"model\.pt2: "):
        resunit.load(tmp_path / "model.pt2")
    with pytest.raises(UsageError, match=r"model\.onnx: "):
        export(folder / "model.onnx", tmp_path / "again.onnx", to="onnx")


def test_a_propagation_needs_units(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "no units to measure" in refused(capsys, 2, "propagation", str(folder / "model.onnx"))


def test_a_library_that_reports_its_use_is_kept_from_it() -> None:
    """OpenVINO sends statistics to a server when it is imported, unless it is told not to."""
    code = (
        "from resunit.io.extras import import_extra; import_extra('openvino', 'export', 'this'); "
        "from openvino_telemetry import Telemetry; import os; print(Telemetry().consent, os.environ.get('CI'))"
    )
    environment = {name: value for name, value in os.environ.items() if name != "CI"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["False", "None"]
