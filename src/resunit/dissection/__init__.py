"""What `resunit propagation` measures: networks and batches by name, the paper's designs side by side."""

from resunit.dissection.design_pictures import measure_designs
from resunit.dissection.subjects import Subject, draw, find_subject, measured

__all__ = ["Subject", "draw", "find_subject", "measure_designs", "measured"]
