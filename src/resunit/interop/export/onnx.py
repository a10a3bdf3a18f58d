"""ONNX: one file with the weights, for batches of any size, with resunit's record in its metadata."""

import contextlib
import io
import warnings
from pathlib import Path
from typing import Any

import torch

from resunit.inference.exported import EXTRA, INPUT, KEY, OUTPUT, onnx_session, to_metadata
from resunit.interop.export.check import Agreement, Logits, check_agreement, not_exportable, on_tensors
from resunit.interop.export.subject import ExportSubject
from resunit.io.atomic import write_atomically
from resunit.io.extras import import_extra

TARGET = "ONNX"
LIBRARIES = ("onnx", "onnxscript", "onnxruntime")


def write_onnx(subject: ExportSubject, out: Path) -> Agreement:
    """Write an ONNX file that was checked.

    Raises:
        UsageError: a library is not installed.
        ExportError: the network cannot be exported, or the exported network computes other numbers.
        WriteError: the operating system refused to write the file.
    """
    content = to_onnx(subject)
    agreement = check_agreement(onnx_logits(content), subject, TARGET)
    write_atomically(out, content)
    return agreement


def to_onnx(subject: ExportSubject) -> bytes:
    """Return the network as the content of an ONNX file. Raises UsageError and ExportError as `write_onnx` does."""
    onnx, *others = (import_extra(name, EXTRA, TARGET) for name in LIBRARIES)
    versions = {library.__name__: library.__version__ for library in (onnx, *others)}
    # What the libraries print and warn about is of themselves.
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        try:
            program = torch.onnx.export(
                subject.network,
                (subject.blank_batch(),),
                dynamo=True,
                dynamic_shapes=({0: torch.export.Dim("batch")},),
                input_names=[INPUT],
                output_names=[OUTPUT],
                external_data=False,
                verbose=False,
            )
            assert program is not None
            model = without_origins(program.model_proto)
            onnx.checker.check_model(model)
        except Exception as error:
            raise not_exportable(TARGET, error) from error
    return with_record(model, subject.record(versions))


def without_origins(model: Any) -> Any:
    """Return an onnx.ModelProto without the lines of code that each node came from: they name this machine's paths."""
    for part in (model.graph, *model.functions):
        for node in part.node:
            del node.metadata_props[:]
            node.ClearField("doc_string")
    return model


def with_record(model: Any, record: dict[str, Any]) -> bytes:
    """Return the content of the file of an onnx.ModelProto, with resunit's record as its metadata."""
    onnx = import_extra("onnx", EXTRA, TARGET)
    onnx.helper.set_model_props(model, {KEY: to_metadata(record)})
    return model.SerializeToString()


def onnx_logits(content: bytes) -> Logits:
    """Return the function that computes the logits of an ONNX file's content with onnxruntime."""
    return on_tensors(onnx_session(content, import_extra("onnxruntime", EXTRA, TARGET))[1])
