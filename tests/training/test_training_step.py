"""A step is a program that the device could compute by itself: it asks for nothing, and a replay computes the next."""

from contextlib import closing, nullcontext
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from resunit.data import make_dataset
from resunit.training import training_step
from resunit.training.distributed import Distributed
from resunit.training.operator_record import OperatorRecord, find_obstacle
from resunit.training.optimizer import RecipeOptimizer
from resunit.training.prepare import prepare
from resunit.training.recipe import with_changes
from resunit.training.recipes import named_recipe
from resunit.training.setup import TrainingSetup
from resunit.training.training_step import TrainingStep, find_obstacle_to_capture
from tests.training.tape import Tape

SIDE, BATCH = 16, 8
DATA = make_dataset(
    (
        torch.randint(
            256, (20, 3, SIDE, SIDE), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
        ),
        torch.arange(20) % 4,
    ),
    (
        torch.randint(256, (8, 3, SIDE, SIDE), dtype=torch.uint8, generator=torch.Generator().manual_seed(1)),
        torch.arange(8) % 4,
    ),
)
# An epoch has two steps, so that four of them reach the next epoch's table.
SMALL: dict[str, Any] = {"steps": 10, "batch_size": BATCH, "padding": 2, "precision": "fp32", "device": "cpu"}
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "paper": ("paper", {"model": "preresnet20", "ghost_batch_size": 4}),
    "quick": ("quick", {"model": "preresnet10-quick"}),
    "fast94": ("fast94", {"model": "preresnet12-fast94"}),
    "dropout": ("paper", {"model": "resnet20", "design": "dropout-shortcut", "ghost_batch_size": None}),
    "stochastic depth": ("paper", {"model": "preresnet20", "design": "stochastic-depth"}),
    "bf16": ("paper", {"model": "preresnet20", "precision": "bf16", "ghost_batch_size": 4}),
    "adamw": ("paper", {"model": "preresnet20", "optimizer": "adamw", "max_gradient_norm": 0.5}),
    "weighted": ("paper", {"model": "preresnet20", "class_weights": "balanced", "label_smoothing": 0.1}),
}


def set_up(case: str) -> TrainingSetup:
    name, changes = CASES[case]
    recipe = with_changes(named_recipe(name), SMALL | changes)
    return prepare(recipe, DATA)


def tensors_of(setup: TrainingSetup) -> dict[str, Tensor]:
    return {**setup.network.state_dict(), **setup.optimizer.state()}


@pytest.mark.parametrize(
    "case", [pytest.param(case, marks=[pytest.mark.full] if case == "fast94" else []) for case in CASES]
)
def test_a_replay_of_a_step_computes_the_steps_after_it(case: str) -> None:
    """And no step asks the device for a number. The first step makes the optimizer's state, so the second is kept."""
    recorded, replayed = set_up(case), set_up(case)
    with closing(recorded.batches.feed(0, 4, recorded.image_size_at)) as feed:
        steps, records = TrainingStep(recorded, recorded.network.train(), feed), []
        for step in range(4):
            steps.prepare(step)
            with OperatorRecord() as record:
                steps.compute()
            records.append(record)
    assert [record.questions for record in records] == [[]] * 4
    assert find_obstacle(records[1:]) is None

    with closing(replayed.batches.feed(0, 4, replayed.image_size_at)) as feed:
        again = TrainingStep(replayed, replayed.network.train(), feed)
        again.prepare(0)
        with Tape():
            again.compute()
        again.prepare(1)
        with Tape() as tape:
            again.compute()
        for step in (2, 3):
            again.prepare(step)
            tape.replay()
    ours, theirs = tensors_of(recorded), tensors_of(replayed)
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    assert again.read() == steps.read()


@pytest.mark.parametrize("case", [case for case in CASES if case != "fast94"])
def test_a_step_joins_nothing_of_the_host_with_what_lies_on_the_device(
    case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The device "meta" computes shapes alone and stands for a GPU; only the optimizers' fused kernels do without it.

    A number that a step makes on the host would have to be copied to a GPU, which no graph can repeat.
    """
    monkeypatch.setattr(training_step, "autocast", lambda *_: nullcontext())  # It does not know the device.
    meta = Distributed(0, 1, torch.device("meta"))
    setup = set_up(case)
    setup.network.to(meta.device)
    monkeypatch.setattr(RecipeOptimizer, "step", RecipeOptimizer.clear)
    weights = setup.loss.class_weights
    setup = replace(
        setup,
        distributed=meta,
        optimizer=RecipeOptimizer(setup.recipe, setup.network),
        loss=replace(setup.loss, class_weights=None if weights is None else weights.to(meta.device)),
        batches=replace(
            setup.batches,
            distributed=meta,
            split=setup.batches.split.to(meta.device),
            normalisation=setup.batches.normalisation.to(meta.device),
        ),
    )
    with closing(setup.batches.feed(0, 3, setup.image_size_at)) as feed:
        steps, records = TrainingStep(setup, setup.network.train(), feed), []
        for step in range(3):
            steps.prepare(step)
            with OperatorRecord() as record:
                steps.compute()
            records.append(record)
    assert [record.questions for record in records] == [[]] * 3
    assert len(records[-1].calls) > 100


@pytest.mark.parametrize(
    ("changes", "world_size", "device", "obstacle"),
    [
        ({}, 1, "cuda", None),
        ({"capture": False}, 1, "cuda", "the recipe says so"),
        ({}, 1, "mps", "mps has none"),
        ({}, 2, "cuda", "several processes train together"),
        ({"rand_augment": 9}, 1, "cuda", "images are transformed one by one"),
        ({"random_erasing": 0.5}, 1, "cuda", "images are transformed one by one"),
        ({"cutmix": 1.0}, 1, "cuda", "images are mixed by draws of the host"),
        (
            {"activation_checkpointing": "small"},
            1,
            "cuda",
            "activations are computed again, which asks for the state of the random numbers",
        ),
    ],
)
def test_what_keeps_the_steps_of_a_run_from_being_captured_is_known_before_the_first(
    changes: dict[str, Any], world_size: int, device: str, obstacle: str | None
) -> None:
    recipe = with_changes(named_recipe("paper"), SMALL | {"model": "preresnet20"} | changes)
    setup = replace(prepare(recipe, DATA), distributed=Distributed(0, world_size, torch.device(device)))
    assert find_obstacle_to_capture(setup) == obstacle


def test_compiled_code_of_ones_own_is_not_captured_because_nobody_can_watch_it() -> None:
    setup = replace(set_up("paper"), distributed=Distributed(0, 1, torch.device("cuda")))
    compiled = replace(setup, recipe=replace(setup.recipe, compile=True))
    assert find_obstacle_to_capture(compiled) is None
    assert find_obstacle_to_capture(replace(setup, spec=None)) is None
    assert (
        find_obstacle_to_capture(replace(compiled, spec=None))
        == "compiled code of your own cannot be watched"
    )


def test_on_a_cpu_nothing_is_captured_and_nothing_is_said() -> None:
    setup, said = set_up("paper"), []
    steps = TrainingStep(setup, setup.network.train(), setup.batches.feed(0, 2, setup.image_size_at))
    steps.capture_if_possible(said.append)
    assert (steps.captured, said) == (None, [])
