"""Subject "serving": the same network and the same bytes in resunit, ONNX Runtime and OpenVINO."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

import torch

from benchmarks.entries import FOLDED, ONNX_RUNTIME, OPENVINO, Entry, Workload
from benchmarks.infer import LATENCY_BATCH, THROUGHPUT_BATCH, prepare_our_inference, settle
from benchmarks.processes import Prepared
from benchmarks.records import Details
from benchmarks.session import Session, measure_in_turn
from benchmarks.steps import CPU, make_images
from resunit.data import Normalisation
from resunit.inference.exported import EXTRA, OPENVINO_FILE, Compute, onnx_session, openvino_compute
from resunit.inference.fuse import fold
from resunit.interop.export.int8 import quantise_onnx, quantise_openvino
from resunit.interop.export.onnx import to_onnx
from resunit.interop.export.openvino import save_openvino, to_openvino
from resunit.interop.export.subject import ExportSubject, with_layout
from resunit.io.extras import import_extra
from resunit.models.network import NetworkSpec, build
from resunit.models.registry import network_spec
from resunit.models.weights import read_weights, write_weights
from resunit.ops.processor import supports_bf16
from resunit.training.preprocessing import Preprocessing

OurPrecision = Literal["fp32", "bf16"]
CALIBRATION_IMAGES, IMAGES_AT_ONCE = 64, 16


@dataclass(frozen=True)
class ServedFiles:
    """One network, exported as `resunit export --with-preprocessing nchw` does; it takes bytes.

    Attributes:
        onnx: an ONNX file in float32, and the same in 8-bit integers.
        openvino: a folder with an OpenVINO model in float32, and the same in 8-bit integers.
    """

    onnx: Path
    onnx_int8: Path
    openvino: Path
    openvino_int8: Path


def measure(
    session: Session,
    *,
    model: Sequence[str] = ("preresnet20", "preresnet110", "preresnet50"),
    batch_size: int | None = None,
    rounds: int = 5,
) -> None:
    """Measure the logits of a batch of bytes in each precision that a library and this processor have.

    Args:
        session: where measurements and notices go.
        model: names of networks.
        batch_size: images a batch; None measures batches of 1 and of 128.
        rounds: the number of turns of each entry.
    """
    for name in model:
        spec = network_spec(name)
        with TemporaryDirectory() as folder:
            files = export_all(Workload(name, spec, CALIBRATION_IMAGES, spec.image_size), Path(folder))
            for images in (LATENCY_BATCH, THROUGHPUT_BATCH) if batch_size is None else (batch_size,):
                workload = Workload(name, spec, images, spec.image_size)
                measure_in_turn(session, "serving", workload, entries_of(workload, files), rounds)


def entries_of(workload: Workload, files: ServedFiles) -> list[Entry]:
    """Return every way to serve a network on this processor."""
    shape, images = (workload.spec, *workload.shape), workload.batch_size
    precisions: list[OurPrecision] = ["fp32", "bf16"] if supports_bf16(CPU) else ["fp32"]
    return [
        *(
            Entry(f"{FOLDED} {each}", prepare_our_inference, (fold, *shape, each), images)
            for each in precisions
        ),
        Entry(f"{ONNX_RUNTIME} fp32", prepare_onnx, (files.onnx, *shape), images),
        Entry(f"{ONNX_RUNTIME} int8", prepare_onnx, (files.onnx_int8, *shape), images),
        *(
            Entry(f"{OPENVINO} {each}", prepare_openvino, (files.openvino, each, *shape), images)
            for each in precisions
        ),
        Entry(f"{OPENVINO} int8", prepare_openvino, (files.openvino_int8, "fp32", *shape), images),
    ]


def export_all(workload: Workload, folder: Path) -> ServedFiles:
    """Write a network with random weights into `folder` in each form; its batch is what int8 is calibrated on."""
    spec = workload.spec
    images, _ = make_images(spec, *workload.shape)
    normalisation = Normalisation.fit(images, "channel")
    network = settle(build(spec), normalisation(images))
    preprocessing = Preprocessing(normalisation, workload.image_size, workload.image_size)
    weights = folder / "weights.safetensors"
    classes = tuple(str(number) for number in range(spec.num_classes))
    stored = {"normalisation": normalisation.to_json(), "image_size": workload.image_size}
    write_weights(weights, network, spec, classes=classes, preprocessing=stored, result={})
    served = with_layout(network, normalisation, "uint8 NCHW")
    with torch.no_grad():
        expected = served(images)
    subject = ExportSubject(
        read_weights(weights), served, "uint8 NCHW", preprocessing, images, expected, "random"
    )
    files = ServedFiles(folder / "fp32.onnx", folder / "int8.onnx", folder / "fp32", folder / "int8")
    content, model = to_onnx(subject), to_openvino(subject)
    files.onnx.write_bytes(content)
    save_openvino(model, files.openvino)
    batches = [batch.numpy() for batch in images.split(IMAGES_AT_ONCE)]
    files.onnx_int8.write_bytes(quantise_onnx(content, batches).SerializeToString())
    save_openvino(quantise_openvino(model, batches), files.openvino_int8)
    return files


def prepare_onnx(path: Path, spec: NetworkSpec, batch_size: int, image_size: int) -> Prepared:
    """Return the computation of logits by ONNX Runtime, with its defaults and as many threads as torch has."""
    runtime = import_extra("onnxruntime", EXTRA, "serving")
    compute = onnx_session(path.read_bytes(), runtime)[1]
    return _work(compute, spec, batch_size, image_size), Details(
        execution=f"onnxruntime {runtime.__version__}"
    )


def prepare_openvino(
    folder: Path, precision: OurPrecision, spec: NetworkSpec, batch_size: int, image_size: int
) -> Prepared:
    """Return the computation of logits by OpenVINO, one request at a time, with as many threads as torch has."""
    openvino = import_extra("openvino", EXTRA, "serving")
    model = openvino.Core().read_model(folder / OPENVINO_FILE)
    compute = openvino_compute(model, openvino, precision)
    version = openvino.get_version().split("-")[0]
    return _work(compute, spec, batch_size, image_size), Details(execution=f"openvino {version}")


def _work(compute: Compute, spec: NetworkSpec, batch_size: int, image_size: int) -> Callable[[], object]:
    images = make_images(spec, batch_size, image_size)[0].numpy()
    return lambda: compute(images)
