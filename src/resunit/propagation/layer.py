"""One weight layer of a network without junctions, as it was measured."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Layer:
    """A convolution or linear layer z_l = W_l x, as it was measured on one batch.

    E is the loss, and L is the last weight layer. Norms are Euclidean over the whole tensor, batch included. A
    measure is None if it does not exist or could not be seen.

    Attributes:
        name: the module that computes the layer.
        function: the torch function that computes it.
        shape: the shape of z_l.
        passed_by: the torch function in which x comes together with a function of z_l without going through a weight,
            such as "cat" in a dense net; None if everything computed from x goes through a weight.
        signal_rms: the root mean square of z_l.
        gradient_gain: ||dE/dz_l|| / ||dE/dz_L||.
        weight_gradient_gain: ||dE/dW_l|| / ||W_l||, over the same of the last layer. A weight that several layers
            share has one gradient, the sum of theirs.
        absent: for each measure that is None, why.
    """

    name: str
    function: str
    shape: tuple[int, ...]
    passed_by: str | None = None
    signal_rms: float | None = None
    gradient_gain: float | None = None
    weight_gradient_gain: float | None = None
    absent: Mapping[str, str] = field(default_factory=dict)


# The names of the attributes that hold a number or None.
LAYER_MEASURES = ("signal_rms", "gradient_gain", "weight_gradient_gain")
