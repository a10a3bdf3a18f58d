"""The signal's propagation through the network while it trains, measured before every N-th step."""

import math

import torch
from torch.nn import functional

from resunit.errors import PropagationError
from resunit.propagation import Instrument, Propagation
from resunit.propagation.junction import MEASURES
from resunit.propagation.layer import LAYER_MEASURES
from resunit.runs.folder import RunFolder
from resunit.runs.schema import PropagationLine
from resunit.training.batches import GhostBatch
from resunit.training.precision import autocast
from resunit.training.setup import TrainingSetup
from resunit.training.state import TrainingState

IMAGES = 64  # More images of the step's batch hardly change norms and shares.


class PropagationWatch:
    """Writes a line of propagation.jsonl before every `recipe.watch_propagation`-th step.

    Measuring changes nothing of the run: its weights are bitwise those of a run that is not watched.
    """

    def __init__(self, setup: TrainingSetup, folder: RunFolder):
        self.setup = setup
        self.folder = folder
        self.instrument = Instrument(setup.network)

    def is_due(self, step: int) -> bool:
        """Return whether this process measures before the step number `step`, counted from 0."""
        every = self.setup.recipe.watch_propagation
        return every is not None and step % every == 0 and self.setup.distributed.is_main

    def measure(self, batch: GhostBatch, state: TrainingState) -> None:
        """Measure on the first images of `batch`, in the precision that trains, and write the line.

        Where the instrument cannot measure the network, the line says why.
        """
        device, step, epoch = self.setup.distributed.device, state.step, self.setup.epoch_at(state.step)
        with (
            torch.random.fork_rng([device] if device.type == "cuda" else []),
            autocast(device, self.setup.recipe.precision),
        ):
            torch.manual_seed(step)  # A resumed run repeats the line.
            try:
                line = _line(
                    step,
                    epoch,
                    self.instrument.measure(
                        batch.images[:IMAGES], batch.labels[:IMAGES], loss=functional.cross_entropy
                    ),
                )
            except PropagationError as error:
                line = PropagationLine(step, epoch, refused=str(error))
        self.folder.append_propagation(line)


def _line(step: int, epoch: float, result: Propagation) -> PropagationLine:
    names = MEASURES if result.junctions else LAYER_MEASURES
    columns = {name: tuple(_round(getattr(place, name)) for place in result.places) for name in names}
    return PropagationLine(
        step,
        epoch,
        junctions=tuple(place.name for place in result.places),
        measures={
            name: values for name, values in columns.items() if any(value is not None for value in values)
        },
        unseen=tuple(result.unseen),
        verdict=result.verdict.sentence,
    )


def _round(value: float | None) -> float | None:
    """Return five digits, which is more than a batch of images determines; None if JSON cannot hold it."""
    return float(f"{value:.5g}") if value is not None and math.isfinite(value) else None
