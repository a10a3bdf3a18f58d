"""Does the signal pass directly? Section 2 of He et al. 2016 as an instrument for any PyTorch network."""

from resunit.errors import PropagationError
from resunit.propagation.junction import Junction
from resunit.propagation.measure import Instrument, measure
from resunit.propagation.measures.mixing import Mixing, MixingStep, measure_mixing
from resunit.propagation.result import Propagation

__all__ = [
    "Instrument",
    "Junction",
    "Mixing",
    "MixingStep",
    "Propagation",
    "PropagationError",
    "measure",
    "measure_mixing",
]
