"""The measuring pass: one forward and one backward, with reductions at the known sites and nowhere else."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from resunit.propagation.gradients import Gradients
from resunit.propagation.losses import Loss, check_differentiable, loss_of
from resunit.propagation.passes import Inputs, run
from resunit.propagation.reductions import Sums, to_numbers
from resunit.propagation.signals import Signals
from resunit.propagation.sites import Detection
from resunit.propagation.watching import Watch


@dataclass(frozen=True)
class Collected:
    """What one pass gave at a site: its sums by name, and the shape of y_l; none where it did not come by."""

    sums: dict[str, float]
    shape: tuple[int, ...] | None


def collect(
    model: nn.Module,
    inputs: Any,
    targets: Any,
    loss: Loss | None,
    detection: Detection,
    *,
    careful: bool = False,
) -> list[Collected]:
    """What one pass gives at each site of `detection`.

    Weight gradients are not computed: autograd goes from the loss to where the streams begin and no further.
    A `careful` pass sums in double precision and counts what is not finite.
    """
    sums: list[Sums] = [{} for _ in detection.sites]
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
    values = iter(to_numbers([value for of_site in sums for value in of_site.values()]))
    return [
        Collected({name: next(values) for name in of_site}, signals.shapes.get(number))
        for number, of_site in enumerate(sums)
    ]
