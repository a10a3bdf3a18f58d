"""Exported files: an ONNX or an OpenVINO file with resunit's record, as a network that computes logits.

The record is that of a weights file, with the layout of the input under "input". It stands in the metadata of the
file, under the key "resunit".
"""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from resunit.data import Normalisation
from resunit.errors import FileFormatError, ResunitError, UsageError
from resunit.io.extras import import_extra
from resunit.io.json_text import parse_json
from resunit.models.weights import NetworkRecord, record_from_json

KEY = "resunit"
INPUT, OUTPUT = "images", "logits"
EXTRA = "export"
OPENVINO_FILE = "model.xml"

InputLayout = Literal["float32 NCHW", "uint8 NCHW", "uint8 NHWC"]
"""The input of an exported network: normalised numbers, or bytes that it normalises itself."""
Compute = Callable[[npt.NDArray[Any]], npt.NDArray[Any]]


class ExportedNetwork(nn.Module):
    """Compute logits (N, classes) with another library, on the CPU, for images (N, 3, H, W) of one size.

    Args:
        compute: returns the logits of a batch.
        layout: what `compute` takes. For bytes, the images are floats from 0 to 255.
    """

    def __init__(self, compute: Compute, layout: InputLayout):
        super().__init__()
        self.compute = compute
        self.layout: InputLayout = layout

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits, on the device of the images."""
        return torch.from_numpy(self.compute(to_input(images, self.layout))).to(images.device)


def to_input(images: Tensor, layout: InputLayout) -> npt.NDArray[Any]:
    """Return images (N, 3, H, W) as the array of a layout; for bytes, they are whole numbers from 0 to 255."""
    if layout == "float32 NCHW":
        return images.float().cpu().contiguous().numpy()
    images = images.round().to(torch.uint8).cpu()
    return (images.permute(0, 2, 3, 1) if layout == "uint8 NHWC" else images).contiguous().numpy()


def outer_normalisation(normalisation: Normalisation, layout: InputLayout) -> Normalisation:
    """Return what is left to normalise before a network of this layout: nothing, if it takes bytes."""
    if layout == "float32 NCHW":
        return normalisation
    return Normalisation("channel", torch.zeros(3, 1, 1), torch.full((3, 1, 1), 1 / 255))


def is_exported(path: Path) -> bool:
    """Return whether a path is that of an exported file, or of a folder with one, by its name."""
    return path.suffix in READERS or (path / OPENVINO_FILE).is_file()


def read_exported(path: Path) -> tuple[NetworkRecord, ExportedNetwork]:
    """Return the record and the network of an exported file.

    Args:
        path: an .onnx file, an .xml file of OpenVINO, a folder with a model.xml, or a .pt2 file, which is refused.

    Raises:
        FileFormatError: the file is missing, damaged, or resunit did not write it.
        UsageError: the library that computes with it is not installed.
    """
    path = path / OPENVINO_FILE if path.is_dir() else path
    if not path.is_file():
        raise FileFormatError(f"{path}: no such file; correct the path")
    text, compute = READERS[path.suffix](path)
    try:
        document = parse_json(text)
        record = record_from_json(path, document)
        layout = document["input"]
        if layout not in get_args(InputLayout):
            raise ValueError(f"an input of {layout!r}")
    except UsageError as error:
        raise FileFormatError(f"{path}: {error}") from error
    except (KeyError, AttributeError, TypeError, ValueError) as error:
        raise FileFormatError(f"{path}: its record is damaged ({error})") from error
    return record, ExportedNetwork(compute, layout)


def check_answers(record: NetworkRecord, network: ExportedNetwork, image_size: int) -> None:
    """Check on one black image that a network takes images as its record says, and knows as many classes.

    Raises:
        FileFormatError: it does not; the file was altered.
    """
    with _named_failures(record.path):
        shape = tuple(network(torch.zeros(1, 3, image_size, image_size)).shape)
    if shape != (1, len(record.classes)):
        raise FileFormatError(
            f"{record.path}: answers with {shape} numbers to one image, and its record has {len(record.classes)} "
            "classes; export it again"
        )


def to_metadata(record: Mapping[str, Any]) -> str:
    """Return a record as the text that a file's metadata hold."""
    return json.dumps(record, allow_nan=False)


def _read_onnx(path: Path) -> tuple[str, Compute]:
    runtime = import_extra("onnxruntime", EXTRA, str(path))
    with _named_failures(path):
        metadata, compute = onnx_session(path.read_bytes(), runtime)
        return _record_in(path, metadata), compute


def onnx_session(content: bytes, runtime: Any) -> tuple[Mapping[str, str], Compute]:
    """Return the metadata of an ONNX model, and the function that computes its logits."""
    options = runtime.SessionOptions()
    options.log_severity_level = 4  # Failures are exceptions, and there is nothing else to say to a user.
    options.intra_op_num_threads = torch.get_num_threads()
    session = runtime.InferenceSession(content, options, providers=["CPUExecutionProvider"])

    def compute(images: npt.NDArray[Any]) -> npt.NDArray[Any]:
        (logits,) = session.run([OUTPUT], {INPUT: images})
        return logits

    return session.get_modelmeta().custom_metadata_map, compute


def _record_in(path: Path, metadata: Mapping[str, str]) -> str:
    """Return the text of resunit's record in the metadata of a file. Raises FileFormatError."""
    if KEY not in metadata:
        raise FileFormatError(
            f"{path}: resunit did not write it: its metadata hold no {KEY!r}; `resunit export` writes such files"
        )
    return metadata[KEY]


def _read_openvino(path: Path) -> tuple[str, Compute]:
    openvino = import_extra("openvino", EXTRA, str(path))
    with _named_failures(path):
        model = openvino.Core().read_model(path)
        metadata = {KEY: model.get_rt_info([KEY]).astype(str)} if model.has_rt_info([KEY]) else {}
        return _record_in(path, metadata), openvino_compute(model, openvino)


def openvino_compute(model: Any, openvino: Any, precision: Literal["fp32", "bf16"] = "fp32") -> Compute:
    """Return the function that computes the logits of an OpenVINO model."""
    settings = {
        "INFERENCE_PRECISION_HINT": {"fp32": "f32", "bf16": "bf16"}[precision],
        "INFERENCE_NUM_THREADS": torch.get_num_threads(),
    }
    compiled = openvino.compile_model(model, "CPU", settings)
    return lambda images: np.array(compiled({INPUT: images})[OUTPUT])


def _refuse_torch_export(path: Path) -> tuple[str, Compute]:
    raise FileFormatError(
        f"{path}: a .pt2 file can hold pickles, which resunit never loads; torch.export.load reads a file that you "
        "trust, and `resunit export --to onnx` writes one that resunit reads"
    )


@contextmanager
def _named_failures(path: Path) -> Iterator[None]:
    """Raise FileFormatError that names the file, whatever another library raises."""
    try:
        yield
    except ResunitError:
        raise
    except Exception as error:
        reason = " ".join(str(error).split())
        raise FileFormatError(
            f"{path}: not a readable {path.suffix} file ({reason}); export it again"
        ) from error


READERS: Mapping[str, Callable[[Path], tuple[str, Compute]]] = {
    ".onnx": _read_onnx,
    ".xml": _read_openvino,
    ".pt2": _refuse_torch_export,
}
