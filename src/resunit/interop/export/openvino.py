"""OpenVINO: a folder with model.xml and model.bin in full precision, made from the ONNX model."""

from pathlib import Path
from typing import Any

from resunit.inference.exported import EXTRA, KEY, OPENVINO_FILE, openvino_compute, to_metadata
from resunit.interop.export.check import Agreement, check_agreement, not_exportable, on_tensors
from resunit.interop.export.onnx import to_onnx
from resunit.interop.export.subject import ExportSubject
from resunit.io.atomic import whole_folder
from resunit.io.extras import import_extra

TARGET = "OpenVINO"


def write_openvino(subject: ExportSubject, out: Path) -> Agreement:
    """Write a folder with an OpenVINO model that was checked as it was written. Raises as `write_onnx` does."""
    model = to_openvino(subject)
    with whole_folder(out) as folder:
        save_openvino(model, folder)
        return check_agreement(on_tensors(read_back(folder)), subject, TARGET)


def to_openvino(subject: ExportSubject) -> Any:
    """Return the network as an openvino.Model with resunit's record. Raises UsageError and ExportError."""
    openvino = import_extra("openvino", EXTRA, TARGET)
    content = to_onnx(subject)
    try:
        model = openvino.Core().read_model(content)
    except Exception as error:
        raise not_exportable(TARGET, error) from error
    model.set_rt_info(to_metadata(subject.record({"openvino": openvino.__version__})), [KEY])
    return model


def save_openvino(model: Any, folder: Path) -> None:
    """Write a model into a folder; by default OpenVINO would halve the precision of its weights."""
    openvino = import_extra("openvino", EXTRA, TARGET)
    openvino.save_model(model, folder / OPENVINO_FILE, compress_to_fp16=False)


def read_back(folder: Path) -> Any:
    """Return the function that computes the logits of the model in a folder."""
    openvino = import_extra("openvino", EXTRA, TARGET)
    return openvino_compute(openvino.Core().read_model(folder / OPENVINO_FILE), openvino)
