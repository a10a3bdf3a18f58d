"""The measuring pass: one forward and one backward, with reductions at the known sites and nowhere else."""

from typing import Any

import torch
from torch import Tensor, nn

from resunit.propagation.detect.sites import Detection
from resunit.propagation.detect.watching import Watch
from resunit.propagation.measures.gradients import Gradients
from resunit.propagation.measures.losses import Loss, check_differentiable, loss_of
from resunit.propagation.measures.passes import Inputs, run
from resunit.propagation.measures.signals import Signals
from resunit.propagation.measures.sums import Sums, in_numbers


def collect(
    model: nn.Module,
    inputs: Any,
    targets: Any,
    loss: Loss | None,
    detection: Detection,
    *,
    careful: bool = False,
) -> dict[int, Sums[float]]:
    """What one pass sums up at the sites of `detection` that it came by, by their number.

    Weight gradients are not computed: autograd goes from the loss to where the streams begin and no further.
    A `careful` pass sums in double precision and counts what is not finite.
    """
    sums: dict[int, Sums[Tensor]] = {}
    gradients = Gradients(detection.sites, sums, careful)
    signals = Signals(detection.sites, sums, gradients, careful)
    try:
        with torch.enable_grad():
            given = Inputs.of(inputs)
            with Watch(model, signals.on_function, signals.on_passage):
                output = run(model, given)
            value = loss_of(output, targets, loss)
            check_differentiable(value)
            del output
            gradients.follow(value)
    finally:
        gradients.let_go()
        signals.let_go()
    return in_numbers(sums)
