"""torch.export: one .pt2 file that torch.export.load reads, for batches of any size."""

import io
from pathlib import Path

import torch

from resunit.inference.exported import KEY, to_metadata
from resunit.interop.export.check import Agreement, check_agreement, not_exportable
from resunit.interop.export.subject import ExportSubject
from resunit.io.atomic import write_atomically

TARGET = "torch.export"
RECORD_FILE = f"{KEY}.json"
"""The name of resunit's record among the file's extra files."""


def write_torch_export(subject: ExportSubject, out: Path) -> Agreement:
    """Write a .pt2 file that was checked as it was written. Raises ExportError and WriteError as `write_onnx` does."""
    buffer = io.BytesIO()
    try:
        with torch.no_grad():
            program = torch.export.export(
                subject.network,
                (subject.blank_batch(),),
                dynamic_shapes=({0: torch.export.Dim("batch")},),
            )
        for node in program.graph.nodes:
            node.meta.pop("stack_trace", None)  # It names this machine's paths.
        torch.export.save(program, buffer, extra_files={RECORD_FILE: to_metadata(subject.record({}))})
    except Exception as error:
        raise not_exportable(TARGET, error) from error
    content = buffer.getvalue()
    agreement = check_agreement(torch.export.load(io.BytesIO(content)).module(), subject, TARGET)
    write_atomically(out, content)
    return agreement
