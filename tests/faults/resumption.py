"""Runs that are killed at chosen steps and resumed, with all that changes from step to step."""

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from shutil import rmtree

from torch import Tensor

from resunit.data import streaming
from resunit.training.loss import TrainingLoss
from tests.data.photographs import write_photographs
from tests.faults.disturbed import run
from tests.faults.figures import Figures
from tests.faults.small_runs import begin, go_on, problems_at_the_end, undisturbed
from tests.faults.storage import Storage, Strike
from tests.training.command_lines import Value

STEPS, PER_EPOCH = 12, 5
MOMENTS = {
    "step 1": 1,
    "one step before an epoch's end": PER_EPOCH - 1,
    "an epoch's end": PER_EPOCH,
    "one step after an epoch's end": PER_EPOCH + 1,
    "the middle of an epoch": PER_EPOCH + 3,
    "the last step": STEPS,
}
GHOST_BATCHES_PER_STEP = 2


def prepare_nothing() -> None:
    """Leave a process as it is."""


@dataclass(frozen=True)
class Both:
    """Two preparations of a process, one after the other."""

    first: Callable[[], None]
    second: Callable[[], None]

    def __call__(self) -> None:
        self.first()
        self.second()


@dataclass(frozen=True)
class Variant:
    """A run with something that has to resume too."""

    name: str
    changes: dict[str, Value] = field(default_factory=dict)
    recipe: str = "paper"
    prepare: Callable[[], None] = prepare_nothing


# Of 1,000 training images 960 are held out, so that an epoch has five steps.
EPOCHS: dict[str, Value] = {"steps": STEPS, "validation": 960}


def decode_in_two_processes() -> None:
    streaming._decoding_processes = lambda _feeds_gpu: 2  # pyright: ignore[reportPrivateUsage]


def variants(where: Path) -> list[Variant]:
    """Return the runs; the last one reads photographs that two processes decode."""
    photographs = where / "photographs"
    if not photographs.exists():
        write_photographs(photographs, train=7)  # Five batches of 8 images.
    streamed: dict[str, Value] = {
        "data": str(photographs), "image_size": 14, "padding": 0, "design": "full-preactivation", "validation": 0,
        "evaluate_steps": PER_EPOCH,
    }  # fmt: skip
    return [
        Variant("dropout, shifts and mirror images, no workers"),
        Variant("mixup, CutMix, erasing and RandAugment", {
            "mixup": 0.2, "cutmix": 1.0, "random_erasing": 0.5, "rand_augment": 9,
        }),
        Variant("EMA", {"ema_decay": 0.9}),
        Variant("AdamW and balanced sampling", {"optimizer": "adamw", "sampling": "balanced"}),
        Variant("activation checkpointing", {"activation_checkpointing": "small"}),
        Variant("2 workers", streamed, "imagenet", decode_in_two_processes),
    ]  # fmt: skip


@dataclass
class DiesWhileAccumulating:
    """Kills the process between the two ghost batches of a step, counted from 1."""

    step: int

    def install(self) -> None:
        loss, calls = TrainingLoss.__call__, 0

        def counted(given: TrainingLoss, logits: Tensor, targets: Tensor) -> Tensor:
            nonlocal calls
            calls += 1
            if calls == GHOST_BATCHES_PER_STEP * self.step:
                os.killpg(os.getpgrp(), signal.SIGKILL)
            return loss(given, logits, targets)

        TrainingLoss.__call__ = counted  # pyright: ignore[reportAttributeAccessIssue]


def resume_everywhere(where: Path, moments: int | None = None) -> list[Figures]:
    """Kill each variant at each moment, resume it, and compare its end with that of a run that was left alone.

    Args:
        where: a folder for the runs.
        moments: only this number of moments; by default all.
    """
    found = []
    for variant in variants(where):
        figures, changes = Figures(f"resumed with {variant.name}"), EPOCHS | variant.changes
        kills: dict[str, Callable[[], None]] = {
            name: Storage(Strike(step - 1)).install for name, step in MOMENTS.items()
        }
        kills["the middle of an accumulation"] = DiesWhileAccumulating(PER_EPOCH + 2).install
        name = variant.name.replace(" ", "-").replace(",", "")
        expected = undisturbed(where, variant.recipe, name, **changes)
        for moment, kill in list(kills.items())[:moments]:
            out = where / "resumed"
            killed = run(begin(out, variant.recipe, **changes), where, Both(variant.prepare, kill))
            problems = [] if killed.was_killed else [f"was not killed: {killed.output}"]
            ended = run(go_on(out), where, variant.prepare)
            figures.add(moment, problems or problems_at_the_end(ended, out, expected))
            rmtree(out)
        found.append(figures)
    return found
