"""Networks in 8-bit integers, calibrated on training images alone, with the test error before and after.

Weights and activations become integers with a scale each, by onnxruntime's static quantisation for ONNX (QDQ, one
scale a channel for weights) and by NNCF for OpenVINO.
"""

import contextlib
import io
import logging
import tempfile
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy.typing as npt
import torch

from resunit.inference.classifier import Classifier
from resunit.inference.exported import (
    EXTRA,
    INPUT,
    Compute,
    ExportedNetwork,
    onnx_session,
    openvino_compute,
    outer_normalisation,
    to_input,
)
from resunit.interop.export.check import (
    Agreement,
    check_agreement,
    measure_agreement,
    not_exportable,
    on_tensors,
)
from resunit.interop.export.onnx import TARGET as ONNX
from resunit.interop.export.onnx import to_onnx, with_record
from resunit.interop.export.openvino import TARGET as OPENVINO
from resunit.interop.export.openvino import read_back, save_openvino, to_openvino
from resunit.interop.export.subject import ExportSubject
from resunit.io.atomic import whole_folder, write_atomically
from resunit.io.extras import import_extra
from resunit.runs.schema import SplitName
from resunit.training.distributed import start_distributed
from resunit.training.evaluation import evaluate

QUANTIZE, WITH_INT8 = "quantize", f"{OPENVINO} with --int8"
CALIBRATION_IMAGES, IMAGES_AT_ONCE = 512, 16

CalibrationBatches = list[npt.NDArray[Any]]


@dataclass(frozen=True)
class Int8:
    """What 8-bit integers cost: errors in percent, on one plain view of each image."""

    error_before: float
    """The error of the exported network in float32."""
    error_after: float
    split: SplitName
    images: int
    data: str
    calibration_images: int
    """The number of training images that the ranges of the activations are from."""


def write_onnx_int8(
    subject: ExportSubject, classifier: Classifier, data: str | None, out: Path
) -> tuple[Agreement, Int8]:
    """Write an ONNX file in 8-bit integers and return how far it is from the network, and its errors.

    Args:
        subject: the network.
        classifier: the same network, which knows how its data set is prepared.
        data: the data set; by default the network's own.
        out: the file.

    Raises:
        UsageError: a library is not installed, or there is no data set.
        DataError, FileFormatError: the data set cannot be read or has other classes.
        ExportError: the network in float32 computes other numbers, or cannot be quantised.
        WriteError: the operating system refused to write the file.
    """
    runtime = import_extra("onnxruntime", EXTRA, ONNX)
    content = to_onnx(subject)
    before = onnx_session(content, runtime)[1]
    check_agreement(on_tensors(before), subject, ONNX)
    calibration = calibration_images(subject, classifier, data)
    versions = {"onnxruntime": runtime.__version__}
    quantised = with_record(quantise_onnx(content, calibration), subject.record(versions))
    after = onnx_session(quantised, runtime)[1]
    agreement = measure_agreement(on_tensors(after), subject)
    int8 = measure_errors(subject, classifier, data, before, after, sum(map(len, calibration)))
    write_atomically(out, quantised)
    return agreement, int8


def write_openvino_int8(
    subject: ExportSubject, classifier: Classifier, data: str | None, out: Path
) -> tuple[Agreement, Int8]:
    """Write a folder with an OpenVINO model in 8-bit integers; see `write_onnx_int8`."""
    import_extra("nncf", QUANTIZE, WITH_INT8)  # Its absence is told before the first work.
    openvino = import_extra("openvino", EXTRA, OPENVINO)
    model = to_openvino(subject)
    before = openvino_compute(model, openvino)
    check_agreement(on_tensors(before), subject, OPENVINO)
    calibration = calibration_images(subject, classifier, data)
    quantised = quantise_openvino(model, calibration)
    with whole_folder(out) as folder:
        save_openvino(quantised, folder)
        after = read_back(folder)
        agreement = measure_agreement(on_tensors(after), subject)
        return agreement, measure_errors(subject, classifier, data, before, after, sum(map(len, calibration)))


def calibration_images(
    subject: ExportSubject, classifier: Classifier, data: str | None
) -> CalibrationBatches:
    """Return batches of training images, at equal distances in the training set, in the layout of the network."""
    train = classifier.load_dataset(data).train
    count = min(CALIBRATION_IMAGES, len(train))
    chosen = torch.arange(count) * len(train) // count
    normalisation = outer_normalisation(subject.preprocessing.normalisation, subject.layout)
    pictures = torch.cat(list(train.pictures(chosen)))
    return [to_input(normalisation(batch), subject.layout) for batch in pictures.split(IMAGES_AT_ONCE)]


def quantise_onnx(content: bytes, calibration: CalibrationBatches) -> Any:
    """Return an ONNX file's content as an onnx.ModelProto in 8-bit integers."""
    onnx = import_extra("onnx", EXTRA, ONNX)
    quantization = import_extra("onnxruntime.quantization", EXTRA, ONNX)
    shapes = import_extra("onnxruntime.quantization.shape_inference", EXTRA, ONNX)
    batches = iter([{INPUT: batch} for batch in calibration])

    class Reader(quantization.CalibrationDataReader):
        def get_next(self) -> dict[str, npt.NDArray[Any]] | None:
            return next(batches, None)

    with tempfile.TemporaryDirectory() as name, quiet(ONNX):
        given, prepared, written = (
            Path(name) / file for file in ("given.onnx", "prepared.onnx", "int8.onnx")
        )
        given.write_bytes(content)
        shapes.quant_pre_process(given, prepared)
        quantization.quantize_static(
            prepared,
            written,
            Reader(),
            quant_format=quantization.QuantFormat.QDQ,
            per_channel=True,
            activation_type=quantization.QuantType.QUInt8,
            weight_type=quantization.QuantType.QInt8,
        )
        return onnx.load(written)


def quantise_openvino(model: Any, calibration: CalibrationBatches) -> Any:
    """Return an openvino.Model in 8-bit integers."""
    nncf = import_extra("nncf", QUANTIZE, WITH_INT8)
    with quiet(OPENVINO):
        return nncf.quantize(model, nncf.Dataset(calibration), subset_size=len(calibration))


def measure_errors(
    subject: ExportSubject,
    classifier: Classifier,
    data: str | None,
    before: Compute,
    after: Compute,
    calibrated_on: int,
) -> Int8:
    """Return the errors of an exported network in float32 and in integers, on the images that a run is judged on."""
    judged = classifier.load_judged(data)
    normalisation = outer_normalisation(subject.preprocessing.normalisation, subject.layout)
    distributed = start_distributed("cpu")

    def error(compute: Compute) -> float:
        network = ExportedNetwork(compute, subject.layout)
        return evaluate(network, judged.images, normalisation, "fp32", distributed).errors.error

    return Int8(
        error(before), error(after), judged.split_name, len(judged.images), judged.name, calibrated_on
    )


@contextlib.contextmanager
def quiet(target: str) -> Iterator[None]:
    """Leave out what libraries print about their progress, and name the failure of one."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with (
            warnings.catch_warnings(),
            contextlib.redirect_stdout(io.StringIO()),
            contextlib.redirect_stderr(io.StringIO()),
        ):
            warnings.simplefilter("ignore")
            yield
    except Exception as error:
        raise not_exportable(f"{target} in 8-bit integers", error) from error
    finally:
        logging.disable(before)
