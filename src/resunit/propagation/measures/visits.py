"""A forward pass that stops by at the junctions."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from resunit.propagation.detect.additions import Term
from resunit.propagation.detect.sites import Crossings, Site
from resunit.propagation.detect.watching import Place, Watch
from resunit.propagation.measures.losses import Loss, loss_of
from resunit.propagation.measures.passes import Inputs, run

# The number of the site, its shortcut's and its branch's term, and the addition itself.
Visit = Callable[[int, Term, Term, Callable[[], Tensor]], Tensor]


def visit(
    model: nn.Module, inputs: Any, targets: Any, loss: Loss | None, sites: tuple[Site, ...], at: Visit
) -> Tensor:
    """E of a pass without gradients in which `at` makes the sums."""
    crossings = Crossings(sites)

    def on_function(place: Place, func: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        crossing = crossings.met(place, args, kwargs)
        if crossing is None:
            return func(*args, **kwargs)
        return at(*crossing, lambda: func(*args, **kwargs))

    with torch.no_grad():
        with Watch(model, on_function, lambda *_: None):
            output = run(model, Inputs.of(inputs))
        return loss_of(output, targets, loss)
