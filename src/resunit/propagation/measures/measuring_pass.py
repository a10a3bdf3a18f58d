"""The measuring pass: one forward and one backward pass, with sums at the known junctions alone."""

from typing import Any

import torch
from torch import Tensor, nn

from resunit.propagation.detect.found_junction import Detection
from resunit.propagation.forward.call_tracing import CallTracer
from resunit.propagation.forward.inputs import Inputs, run_forward
from resunit.propagation.forward.loss import (
    Loss,
    check_differentiable,
    compute_loss,
    scale_for_half_precision,
)
from resunit.propagation.measures.backward_sums import BackwardSums
from resunit.propagation.measures.forward_sums import ForwardSums
from resunit.propagation.measures.junction_sums import JunctionSums, sums_in_numbers


def run_measuring_pass(
    model: nn.Module,
    inputs: Any,
    targets: Any,
    loss: Loss | None,
    detection: Detection,
    *,
    careful: bool = False,
    start: int | None = None,
) -> dict[int, JunctionSums[float]]:
    """Return the sums at the junctions that one pass reaches, by the numbers of the junctions.

    The gradients of weights are not computed: autograd goes from the loss to where the streams begin, and no
    further. The caller preserves the state of the model.

    Args:
        model: the network.
        inputs: a tensor, a tuple or list of arguments, or a mapping of keyword arguments.
        targets: what the loss compares the output with.
        loss: a function of output and targets that returns a scalar; None for the default loss.
        detection: the junctions of the network.
        careful: sum in double precision, and count the values that are not finite.
        start: the number of the junction at whose x the direct term begins; None for the ends of all stages.

    Raises:
        PropagationError: the network does not run on the inputs, or has no backward pass.
    """
    sums: dict[int, JunctionSums[Tensor]] = {}
    backward = BackwardSums(detection, sums, careful, start)
    forward = ForwardSums(detection.junctions, sums, backward, careful)
    try:
        with torch.enable_grad():
            given = Inputs.of(inputs)
            with CallTracer(
                model, forward.on_call, forward.on_module_boundary, detection.begins_at, detection.expanded
            ):
                output = run_forward(model, given)
            value = compute_loss(output, targets, loss)
            check_differentiable(value)
            value = scale_for_half_precision(value, output)
            del output
            backward.run_backward(value)
    finally:
        backward.release()
        forward.release()
    return sums_in_numbers(sums)
