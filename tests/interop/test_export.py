"""Exported networks give the logits of the network, in the library that the file is for."""

import io
import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import timm
import torch
from PIL import Image
from timm.data.config import resolve_data_config
from torch import Tensor

import resunit
from resunit.data import Normalisation
from resunit.data import load as load_data
from resunit.errors import ExportError, UsageError
from resunit.inference.exported import KEY, outer_normalisation
from resunit.interop.export.check import RELATIVE_TOLERANCE, check_agreement
from resunit.interop.export.exporting import TARGETS, Exported, export, make_subject
from resunit.interop.export.int8 import calibration_images
from resunit.models.network import NetworkSpec
from resunit.runs.folder import RunFolder
from resunit.runs.schema import Evaluation
from tests.docs.markdown import ROOT
from tests.interop.parity import assert_close
from tests.interop.stored_networks import CLASSES, images, small, store

# The designs in which exporters went wrong: where two paths read one input, they were given each other's bias.
DESIGNS: Mapping[str, NetworkSpec] = {
    "plain": small(design="plain"),
    "option B": small(shortcut_option="B"),
    "option D": small(shortcut_option="D"),
    "conv-shortcut": small(design="conv-shortcut"),
    "bn-after-addition": small(design="bn-after-addition"),
    "exclusive-gating": small(design="exclusive-gating"),
    "full-preactivation": small("preresnet20"),
    "gelu and whitening": small("resnet10-quick"),
    "relu-only-preactivation": small(design="relu-only-preactivation"),
    "dropout-shortcut": small(design="dropout-shortcut"),
    "stochastic-depth": small(design="stochastic-depth"),
    "skipinit": small(design="skipinit"),
    "bottleneck": small("preresnet164"),
}
EVERY_DAY = ("option B", "exclusive-gating")


def everyday_and_full(names: Mapping[str, NetworkSpec]) -> list[object]:
    return [name if name in EVERY_DAY else pytest.param(name, marks=pytest.mark.full) for name in names]


def run_onnx(path: Path, given: np.ndarray) -> Tensor:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return torch.from_numpy(session.run(["logits"], {"images": given})[0])


def run_openvino(path: Path, given: np.ndarray) -> Tensor:
    import openvino

    model = openvino.Core().compile_model(path / "model.xml", "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return torch.from_numpy(np.array(model({"images": given})["logits"]))


def run_torch(path: Path, given: np.ndarray) -> Tensor:
    with torch.no_grad():
        return torch.export.load(path).module()(torch.from_numpy(given))


RUN: Mapping[str, tuple[str, Callable[[Path, np.ndarray], Tensor]]] = {
    "onnx": ("model.onnx", run_onnx),
    "openvino": ("model", run_openvino),
    "torch-export": ("model.pt2", run_torch),
}


@pytest.mark.parametrize("name", everyday_and_full(DESIGNS))
def test_an_onnx_file_gives_the_networks_logits(name: str, tmp_path: Path) -> None:
    network = store(tmp_path / "weights.safetensors", DESIGNS[name])
    done = export(tmp_path / "weights.safetensors", tmp_path / "model.onnx", to="onnx")
    assert done.agreement.relative_error < RELATIVE_TOLERANCE
    for count in (1, 2, 7):
        given = torch.randn(count, 3, 32, 32)
        assert_close(run_onnx(tmp_path / "model.onnx", given.numpy()), network(given), name)


@pytest.mark.full
@pytest.mark.parametrize("to", ["openvino", "torch-export"])
@pytest.mark.parametrize("name", DESIGNS)
def test_each_design_for_each_target(name: str, to: str, tmp_path: Path) -> None:
    network = store(tmp_path / "weights.safetensors", DESIGNS[name])
    file, run = RUN[to]
    export(tmp_path / "weights.safetensors", tmp_path / file, to=to)
    for count in (1, 2, 7):
        given = torch.randn(count, 3, 32, 32)
        assert_close(run(tmp_path / file, given.numpy()), network(given), name)


@pytest.mark.full
def test_odd_sides_where_the_shortcut_averages(tmp_path: Path) -> None:
    """A pool over the edge of 57 pixels has a smaller last window, of which exporters divided by the whole size."""
    network = store(tmp_path / "weights.safetensors", small("resnet18", shortcut_option="D"), side=225)
    export(tmp_path / "weights.safetensors", tmp_path / "model.onnx", to="onnx")
    given = torch.randn(2, 3, 225, 225)
    assert_close(run_onnx(tmp_path / "model.onnx", given.numpy()), network(given))


@pytest.mark.parametrize("layout", ["nchw", "nhwc"])
@pytest.mark.parametrize(
    "to", ["torch-export", *(pytest.param(to, marks=pytest.mark.full) for to in ("onnx", "openvino"))]
)
def test_with_preprocessing_bytes_go_in(to: str, layout: str, tmp_path: Path) -> None:
    normalisation = Normalisation.fit(load_data("cifar10-sample").train.images, "pixel")
    network = store(tmp_path / "weights.safetensors", small(), normalisation=normalisation)
    file, run = RUN[to]
    done = export(tmp_path / "weights.safetensors", tmp_path / file, to=to, with_preprocessing=layout)  # pyright: ignore[reportArgumentType]
    assert done.input == f"uint8 {layout.upper()}"
    given = images()
    expected = network((given / 255 - normalisation.mean) / normalisation.std)
    pixels = given.permute(0, 2, 3, 1) if layout == "nhwc" else given
    assert_close(run(tmp_path / file, pixels.contiguous().numpy()), expected)


def test_bytes_pass_the_outer_normalisation_unchanged() -> None:
    every = torch.arange(256, dtype=torch.uint8).expand(1, 3, 1, 256)
    left = outer_normalisation(Normalisation.of_imagenet(), "uint8 NHWC")
    assert left(every).equal(every.float())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with weights, and an export of each kind that takes them."""
    folder = tmp_path_factory.mktemp("exports")
    store(
        folder / "weights.safetensors", small(), model="resnet20", design="original", test_error=12.5, steps=9
    )
    for to, (file, _) in RUN.items():
        export(folder / "weights.safetensors", folder / file, to=to)
    export(folder / "weights.safetensors", folder / "hub", to="hub")
    return folder


def test_the_metadata_say_what_a_program_needs(folder: Path) -> None:
    import openvino

    session = onnxruntime.InferenceSession(folder / "model.onnx", providers=["CPUExecutionProvider"])
    assert session.get_inputs()[0].shape[1:] == [3, 32, 32]
    with (folder / "model.pt2").open("rb") as file:
        extra = {f"{KEY}.json": ""}
        torch.export.load(io.BytesIO(file.read()), extra_files=extra)
    texts = {
        "onnx": session.get_modelmeta().custom_metadata_map[KEY],
        "torch-export": extra[f"{KEY}.json"],
        "openvino": openvino.Core().read_model(folder / "model" / "model.xml").get_rt_info([KEY]).astype(str),
        "hub": (folder / "hub" / "config.json").read_text(),
    }
    for to, text in texts.items():
        record = json.loads(text)
        assert record["classes"] == list(CLASSES), to
        assert record["network"]["depths"] == [1, 1, 1]
        assert record["preprocessing"]["image_size"] == 32
        assert record["preprocessing"]["normalisation"]["kind"] == "channel"
        assert record["resunit"] == resunit.__version__
        if to != "hub":
            assert record["versions"]["torch"] == torch.__version__
            assert record["input"] == "float32 NCHW"
    assert json.loads(texts["onnx"])["versions"]["onnxruntime"] == onnxruntime.__version__


def test_no_path_of_this_machine_is_in_a_file(folder: Path) -> None:
    for path in [*folder.rglob("model*"), *(folder / "hub").iterdir()]:
        if path.is_file():
            content = path.read_bytes()
            for place in (ROOT, Path(torch.__file__).parents[1], folder):
                assert str(place).encode() not in content, path


def test_a_network_that_computes_otherwise_is_not_kept(folder: Path, tmp_path: Path) -> None:
    subject = make_subject(resunit.load(folder / "weights.safetensors", device="cpu"), "float32 NCHW", None)
    other = replace(
        subject, expected=subject.expected + 2 * RELATIVE_TOLERANCE * subject.expected.abs().max()
    )
    for to in ("openvino", "hub", "torch-export"):
        with pytest.raises(ExportError, match=f"{RELATIVE_TOLERANCE:.0e}"):
            TARGETS[to].write(other, tmp_path / "out")
        assert not list(tmp_path.iterdir())
    with pytest.raises(ExportError, match=r"^itself: .* nan "):
        check_agreement(subject.network, replace(subject, expected=subject.expected * torch.nan), "itself")


def test_the_check_is_relative(folder: Path) -> None:
    subject = make_subject(resunit.load(folder / "weights.safetensors", device="cpu"), "float32 NCHW", None)
    assert subject.origin == "cifar10-sample"
    assert len(subject.examples) == 64
    thousand = replace(subject, expected=1000 * subject.expected)
    assert (
        check_agreement(lambda given: 1000 * subject.network(given), thousand, "itself").relative_error < 1e-5
    )


def test_the_images_are_the_networks_own_where_they_are_here(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    for name in CLASSES[:2]:
        (photos / name).mkdir(parents=True)
        for index, image in enumerate(images(4, side=40)):
            Image.fromarray(image.permute(1, 2, 0).numpy()).save(photos / name / f"{index}.png")
    (photos / CLASSES[0] / "broken.png").write_bytes(b"no image")
    weights = tmp_path / "weights.safetensors"
    for own, origin, count in ((str(photos), str(photos), 8), (str(tmp_path / "gone"), "cifar10-sample", 64)):
        store(weights, small(), data=own)
        subject = make_subject(resunit.load(weights, device="cpu"), "float32 NCHW", None)
        assert (subject.origin, len(subject.examples)) == (origin, count)
    with pytest.raises(UsageError, match="cifar10"):
        export(weights, tmp_path / "model.pt2", to="torch-export", data="cifer10")


def refusals() -> list[tuple[dict[str, Any], str]]:
    return [
        ({"to": "onx", "out": "x.onnx"}, "'onx'.*'onnx'"),
        ({"to": "onnx", "out": "x.bin"}, r"x\.bin: .*\.onnx"),
        ({"to": "onnx", "out": "absent/x.onnx"}, "absent: "),
        ({"to": "onnx", "out": "taken.onnx"}, r"taken\.onnx: "),
        ({"to": "openvino", "out": "taken"}, "taken: "),
        ({"to": "timm", "out": "x"}, "stem imagenet.* cifar"),
        ({"to": "timm", "out": "x", "with_preprocessing": "nchw"}, "--with-preprocessing .*timm"),
        ({"to": "onnx", "out": "x.onnx", "with_preprocessing": "nwhc"}, "'nwhc'.*'nhwc'"),
        ({"to": "hub", "out": "x", "int8": True}, "--int8 .*hub.*onnx.*openvino"),
    ]


@pytest.mark.parametrize(("arguments", "named"), refusals(), ids=lambda value: str(value))
def test_what_cannot_be_exported_is_refused(
    arguments: dict[str, Any], named: str, folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "taken.onnx").write_text("mine")
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "file").write_text("mine")
    before = sorted(tmp_path.rglob("*"))
    out = tmp_path / str(arguments["out"])
    with pytest.raises(UsageError, match=named):
        export(
            folder / "weights.safetensors",
            out,
            **{key: value for key, value in arguments.items() if key != "out"},
        )  # pyright: ignore[reportArgumentType]
    assert sorted(tmp_path.rglob("*")) == before
    assert (tmp_path / "taken.onnx").read_text() == "mine"


@pytest.mark.parametrize("library", ["onnx", "onnxscript", "onnxruntime", "openvino"])
def test_a_library_that_is_not_installed_is_named(
    library: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(UsageError, match=rf"{library}: pip install 'resunit\[export\]'"):
        export(folder / "weights.safetensors", tmp_path / "out", to="openvino")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "options"), [("resnet18", {}), ("preresnet18", {"shared_preactivation": "projection"})]
)
def test_timm_loads_its_folder(name: str, options: dict[str, str], tmp_path: Path) -> None:
    spec = replace(small(name, **options), depths=(2, 2, 2, 2))
    network = store(tmp_path / "weights.safetensors", spec, side=64)
    export(tmp_path / "weights.safetensors", tmp_path / "folder", to="timm")
    source = f"local-dir:{tmp_path / 'folder'}"
    theirs = timm.create_model(source, pretrained=True).eval()
    given = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        assert_close(theirs(given), network(given))
        assert_close(theirs.forward_features(given), network.forward_features(given))  # pyright: ignore[reportCallIssue]
        pyramid = timm.create_model(source, pretrained=True, features_only=True).eval()(given)
        fresh = timm.create_model(source, pretrained=True, num_classes=3).eval()(given)
    assert fresh.shape == (2, 3)
    last = network.stages(network.stem(given))
    assert [feature.shape[-1] for feature in pyramid] == [32, 16, 8, 4, 2]
    assert_close(pyramid[-1], last)
    prepared = resolve_data_config({}, model=theirs)
    assert prepared["input_size"] in ((3, 64, 64), [3, 64, 64])
    assert prepared["mean"] == pytest.approx((0.485, 0.456, 0.406))
    assert prepared["std"] == pytest.approx((0.229, 0.224, 0.225))
    assert vars(theirs)["pretrained_cfg"]["label_names"] == list(CLASSES)


def test_the_card_of_a_hub_folder_is_read_by_the_hubs_own_code(folder: Path) -> None:
    from huggingface_hub import ModelCard
    from safetensors import safe_open

    card = ModelCard.load(folder / "hub" / "README.md")
    data: Any = card.data
    assert data.library_name == "resunit"
    assert data.pipeline_tag == "image-classification"
    (result,) = data.eval_results
    assert (result.metric_type, result.metric_value) == ("accuracy", 0.875)
    assert result.dataset_name == "cifar10-sample"
    assert "12.50 %" in card.text
    with safe_open(folder / "hub" / "model.safetensors", framework="pt") as file:
        assert file.metadata()["format"] == "pt"
    own = resunit.create_model(weights=folder / "weights.safetensors").eval()
    hub = resunit.create_model(weights=folder / "hub").eval()
    given = torch.randn(2, 3, 32, 32)
    assert hub(given).equal(own(given))
    assert resunit.load(folder / "hub").classes == CLASSES


@pytest.mark.parametrize(("images", "few"), [(1, True), (40, False)])
def test_the_card_says_how_many_images_the_error_is_of(images: int, few: bool, tmp_path: Path) -> None:
    from huggingface_hub import ModelCard

    store(tmp_path / "weights.safetensors", small(), test_error=0.0)
    right = np.diag([images] * len(CLASSES)).tolist()
    RunFolder(tmp_path).write_evaluation(Evaluation("test", CLASSES, tuple(map(tuple, right))))
    export(tmp_path / "weights.safetensors", tmp_path / "hub", to="hub")
    card = ModelCard.load(tmp_path / "hub" / "README.md")
    data: Any = card.data
    assert (data.eval_results is None) == few
    of_few = ", too few for conclusions" if few else ""
    assert f"| judged on | {images * len(CLASSES)} images{of_few} |" in card.text


def test_a_hub_folder_does_not_name_the_users_folder(tmp_path: Path) -> None:
    store(tmp_path / "weights.safetensors", small(), data="/home/someone/photos")
    export(tmp_path / "weights.safetensors", tmp_path / "hub", to="hub")
    for path in (tmp_path / "hub").iterdir():
        assert b"someone" not in path.read_bytes()
        assert b"photos" in path.read_bytes()


def test_calibration_images_are_training_images(folder: Path) -> None:
    train = load_data("cifar10-sample").train.images
    known = {image.numpy().tobytes() for image in train}
    classifier = resunit.load(folder / "weights.safetensors", device="cpu")
    batches = calibration_images(make_subject(classifier, "uint8 NCHW", None), classifier, None)
    given = np.concatenate(batches)
    assert len(given) == min(512, len(train))
    assert {image.tobytes() for image in given} <= known
    assert len({image.tobytes() for image in given}) > 0.9 * len(given)


def evaluate(path: Path) -> float:
    return resunit.inference.evaluate_weights(path).error


@pytest.mark.full
@pytest.mark.parametrize(("to", "out"), [("onnx", "int8.onnx"), ("openvino", "int8")])
def test_8_bit_integers(to: str, out: str, folder: Path, tmp_path: Path) -> None:
    done: Exported = export(folder / "weights.safetensors", tmp_path / out, to=to, int8=True)
    assert done.int8 is not None
    assert done.int8.error_before == pytest.approx(evaluate(folder / "weights.safetensors"))
    assert done.int8.error_after == pytest.approx(evaluate(tmp_path / out))
    assert done.int8.split == "test"
    assert 0 < done.agreement.relative_error < 1  # integers round, and still it is the same network
    if to == "onnx":
        import onnx

        kinds = {node.op_type for node in onnx.load(tmp_path / out).graph.node}
        assert {"QuantizeLinear", "DequantizeLinear"} <= kinds
