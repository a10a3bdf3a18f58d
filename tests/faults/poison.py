"""Numbers that are not finite, put into a run while it trains."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from shutil import rmtree

import torch
from torch import Tensor, nn

from resunit.io.tensors import read_tensors
from resunit.runs.folder import RunFolder
from resunit.training.checkpoints import KIND
from resunit.training.loss import TrainingLoss
from resunit.training.optimizer import RecipeOptimizer
from resunit.training.setup import TrainingSetup
from resunit.training.training_step import TrainingStep
from tests.faults.disturbed import run
from tests.faults.figures import Figures
from tests.faults.small_runs import SMALL, begin

DIVERGED = 3
VALUES = (math.nan, math.inf, -math.inf)
STEPS = int(str(SMALL["steps"]))
MOMENTS = (1, 3, STEPS)
"""After the first step, in the middle, and in the last step."""


def put(tensors: list[Tensor], value: float) -> None:
    """Set one number of one tensor, which is the last of the middle one."""
    with torch.no_grad():
        tensors[len(tensors) // 2].view(-1)[-1] = value


def floating(network: nn.Module, part: str) -> list[Tensor]:
    return [tensor for name, tensor in network.state_dict().items() if name.endswith(part)]


# What is changed after a step.
AFTER_A_STEP: dict[str, Callable[[TrainingSetup, float], None]] = {
    "weight": lambda setup, value: put(floating(setup.network, "weight"), value),
    "optimizer": lambda setup, value: put(list(setup.optimizer.state().values()), value),
    "running mean": lambda setup, value: put(floating(setup.network, "running_mean"), value),
    "running variance": lambda setup, value: put(floating(setup.network, "running_var"), value),
    "average of the weights": lambda setup, value: put(floating(setup.kept.network, "weight"), value),
}
PLACES = ("loss", "gradient", *AFTER_A_STEP)


@dataclass(frozen=True)
class Poison:
    """A number that is put into `place` in step number `step`, counted from 1."""

    place: str
    value: float
    step: int

    def install(self) -> None:
        """Replace the function of a step, for the rest of this process."""
        train = TrainingStep.train

        def train_poisoned(steps: TrainingStep, step: int) -> None:
            if step + 1 != self.step:
                return train(steps, step)
            if self.place == "loss":
                loss = TrainingLoss.__call__
                TrainingLoss.__call__ = lambda *given: loss(*given) * self.value  # pyright: ignore[reportAttributeAccessIssue]
            if self.place == "gradient":
                optimize = RecipeOptimizer.step

                def with_poisoned_gradient(optimizer: RecipeOptimizer) -> None:
                    put([p.grad for p in optimizer.parameters.values() if p.grad is not None], self.value)
                    optimize(optimizer)

                RecipeOptimizer.step = with_poisoned_gradient  # pyright: ignore[reportAttributeAccessIssue]
            train(steps, step)
            if self.place in AFTER_A_STEP:
                AFTER_A_STEP[self.place](steps.setup, self.value)
            return None

        TrainingStep.train = train_poisoned  # pyright: ignore[reportAttributeAccessIssue]


def poison(where: Path, cases: list[Poison] | None = None) -> list[Figures]:
    """Put NaN and infinity into each place, at three steps; all end with exit code 3 and finite checkpoints."""
    figures = Figures("NaN or infinity in loss, gradient, weight, optimizer, statistics, average")
    for case in cases or [Poison(*each) for each in product(PLACES, VALUES, MOMENTS)]:
        out = where / "poisoned"
        ended = run(begin(out, ema_decay=0.9), where, case.install)
        problems = [] if ended.code == DIVERGED else [f"exit code {ended.code}: {ended.output}"]
        result = RunFolder(out).read_result()
        if result is None or result.status != "diverged":
            problems.append("its result is not that of a run that diverged")
        if RunFolder(out).weights.exists():
            problems.append("there are weights")
        for path in RunFolder(out).checkpoints.glob("*"):
            _, tensors = read_tensors(path, KIND)
            if not all(bool(tensor.isfinite().all()) for tensor in tensors.values()):
                problems.append(f"{path.name} is not finite")
        figures.add(str(case), problems)
        rmtree(out)
    return [figures]
