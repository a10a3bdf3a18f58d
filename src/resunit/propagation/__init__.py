"""Measuring whether the signal passes directly (He et al. 2016, section 2) in any PyTorch network."""

from resunit.errors import PropagationError
from resunit.propagation.junction import Junction
from resunit.propagation.layer import Layer
from resunit.propagation.measure import Instrument, measure
from resunit.propagation.measures.mixing import Mixing, MixingStep, measure_mixing
from resunit.propagation.result import Propagation
from resunit.propagation.verdict import Verdict

__all__ = [
    "Instrument",
    "Junction",
    "Layer",
    "Mixing",
    "MixingStep",
    "Propagation",
    "PropagationError",
    "Verdict",
    "measure",
    "measure_mixing",
]
