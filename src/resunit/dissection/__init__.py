"""What `resunit propagation` measures: networks and batches by name, the paper's designs side by side."""

from resunit.dissection.design_figure import missing, save_figure
from resunit.dissection.design_records import recorded_designs
from resunit.dissection.design_runs import measure_designs
from resunit.dissection.subjects import Subject, draw, find_subject, measured

__all__ = [
    "Subject",
    "draw",
    "find_subject",
    "measure_designs",
    "measured",
    "missing",
    "recorded_designs",
    "save_figure",
]
