"""A training step: what the host sets before it, and the program that the device computes by itself."""

import hashlib
from collections.abc import Callable
from contextlib import nullcontext

import torch
from torch import nn
from torch.nn import functional

from resunit.models.design_source import is_own_design
from resunit.training.batches import Feed, GhostBatch
from resunit.training.captured_work import CapturedWork
from resunit.training.compilation import CompiledUnits
from resunit.training.ghost_batch_norm import count_ghost_batches, set_momentum
from resunit.training.precision import autocast
from resunit.training.setup import TrainingSetup
from resunit.training.totals import StepTotals


class TrainingStep:
    """One training step after another of a run.

    `prepare` sets the few numbers in which a step differs from the one before: its place in the epoch, its learning
    rate and its seed. `compute` reads them on the device, asks the device for no number, and works on buffers that
    stay where they are. So it is the same program for each step on images of one size.
    """

    def __init__(self, setup: TrainingSetup, model: nn.Module, feed: Feed):
        """Make the first step ready to be prepared.

        Args:
            setup: the run; its optimizer steps.
            model: its network in training mode, wrapped for several ranks.
            feed: the images of the steps.
        """
        self.setup, self.model, self.feed = setup, model, feed
        self.totals = StepTotals(setup.distributed.device, setup.batches.dtype)
        self.compiled = CompiledUnits(setup.network) if setup.recipe.compile else None
        self.captured: CapturedWork | None = None

    def capture_if_possible(self, say: Callable[[str], None]) -> None:
        """Let a GPU repeat the work of a step as a CUDA graph; where that is not possible, tell the user why."""
        if self.setup.distributed.device.type == "cpu":
            return
        obstacle = find_obstacle_to_capture(self.setup)
        if obstacle is not None:
            say(f"steps are not captured as a CUDA graph: {obstacle}")
            return
        device, clear = self.setup.distributed.device, self.setup.optimizer.clear
        self.captured = CapturedWork(device, clear, say, watched=has_own_code(self.setup))

    @property
    def unread(self) -> int:
        """The number of steps whose losses were not read yet."""
        return self.totals.unread

    def train(self, step: int) -> None:
        """Train step number `step`, counted from 0, on this rank's ghost batches."""
        self.prepare(step)
        if self.captured is None:
            self.compute()
        else:
            self.captured.run(self.compute, self.setup.image_size_at(step))

    def read(self) -> list[tuple[float, int]]:
        """Wait for the device, and return what the steps since the last reading gave.

        Returns:
            For each step its mean loss, without label smoothing and class weights, and its number of wrong answers,
            both of all ranks.
        """
        return [(loss / self.setup.batches.batch_size, wrong) for loss, wrong in self.totals.read()]

    def first_ghost_batch(self, step: int) -> GhostBatch:
        """Return this rank's first ghost batch of step number `step`, which is trained next."""
        self.feed.prepare(step)
        return self.feed.ghost_batches()[0]

    def prepare(self, step: int) -> None:
        """Set what the host gives to step number `step`."""
        self.feed.prepare(step)
        self.totals.prepare()
        self.setup.optimizer.set_learning_rate(self.setup.learning_rate_at(step))
        self.seed(step)

    def seed(self, step: int) -> None:
        """Seed the random layers for step number `step`."""
        torch.manual_seed(step_seed(self.setup.recipe.seed, step, self.setup.distributed.rank))

    def compute(self) -> None:
        """Compute the step that was prepared: images, gradients, optimizer, and what is read later.

        The gradients add up to the gradient on the whole batch; batch norm normalises each ghost batch by its own
        statistics, or the whole batch of all ranks where the recipe has no ghost batch size.
        """
        setup = self.setup
        recipe, distributed = setup.recipe, setup.distributed
        ghost_batches = self.feed.ghost_batches()
        images_of_rank = sum(len(batch.labels) for batch in ghost_batches)
        totals = torch.zeros(2, device=distributed.device, dtype=setup.batches.dtype)
        # Autocast keeps the weights that it has cast for as long as its region lasts: one region serves a step.
        with (
            nullcontext() if self.compiled is None else self.compiled.in_use(),
            autocast(distributed.device, recipe.precision),
            distributed.shared_statistics(setup.network, recipe.ghost_batch_size),
        ):
            for index, batch in enumerate(ghost_batches):
                set_momentum(setup.network, index, len(ghost_batches))
                with distributed.gradient_sync(self.model, is_last=index + 1 == len(ghost_batches)):
                    logits = self.model(batch.images)
                    loss = setup.loss(logits, batch.targets)
                    (loss * (len(batch.labels) / images_of_rank)).backward()
                with torch.no_grad():
                    plain = functional.cross_entropy(logits, batch.targets, reduction="sum")
                    totals += torch.stack([plain, (logits.argmax(1) != batch.labels).sum()])
        distributed.average_running_statistics(setup.network)
        if recipe.ghost_batch_size is not None and distributed.world_size > 1:
            count_ghost_batches(setup.network, len(ghost_batches) * (distributed.world_size - 1))
        distributed.all_reduce(totals)
        self.totals.store(totals)
        setup.optimizer.step()


def find_obstacle_to_capture(setup: TrainingSetup) -> str | None:
    """Return why the steps of a run cannot be captured, as far as that is known before the first; None if they can."""
    device = setup.distributed.device
    if not setup.recipe.capture:
        return "the recipe says so"
    if device.type != "cuda":
        return f"{device} has none"
    if setup.distributed.world_size > 1:
        return "several processes train together"
    if setup.recipe.activation_checkpointing == "small":
        return "activations are computed again, which asks for the state of the random numbers"
    if setup.recipe.compile and has_own_code(setup):
        return "compiled code of your own cannot be watched"
    return setup.batches.work_of_host


def has_own_code(setup: TrainingSetup) -> bool:
    """Return whether a network has code of the user's own, which no test of resunit has proved to be repeatable."""
    return setup.spec is None or is_own_design(setup.spec.design)


def step_seed(seed: int, step: int, rank: int) -> int:
    """Return the 32-bit seed of a step's random layers, such as dropout, so that a resumed run repeats it."""
    # The word "worker" is part of what the seeds of all recorded runs were made from.
    return int.from_bytes(hashlib.sha256(f"{seed} step {step} worker {rank}".encode()).digest()[:4], "big")
