"""Measuring leaves a network, its gradients and the generators exactly as they were."""

import gc
import random
import time

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

import resunit
from resunit.errors import PropagationError
from resunit.propagation import Instrument, measure

IMAGES, TARGETS = torch.randn(4, 3, 16, 16), torch.tensor([0, 1, 2, 3])


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("design", ["dropout-shortcut", "full-preactivation"])
def test_everything_is_left_bitwise_as_it_was(design: str, training: bool) -> None:
    model = resunit.create_model("resnet20", design=design).train(training)
    model.stages[0].eval()
    model.stem.requires_grad_(False)
    cross_entropy(model(IMAGES), TARGETS).backward()
    state = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    gradients = [(p.grad, None if p.grad is None else p.grad.clone()) for p in model.parameters()]
    flags = [p.requires_grad for p in model.parameters()]
    modes = [m.training for m in model.modules()]
    images = IMAGES.clone()
    generator, python = torch.get_rng_state(), random.getstate()

    measure(model, images, TARGETS)

    assert all(torch.equal(tensor, state[name]) for name, tensor in model.state_dict().items())
    for parameter, (gradient, content) in zip(model.parameters(), gradients, strict=True):
        assert parameter.grad is gradient
        assert gradient is None or torch.equal(gradient, content)
    assert [p.requires_grad for p in model.parameters()] == flags
    assert [m.training for m in model.modules()] == modes
    assert torch.equal(images, IMAGES)
    assert not images.requires_grad
    assert torch.equal(torch.get_rng_state(), generator)
    assert random.getstate() == python
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())


def test_every_generator_is_left_as_it_was() -> None:
    class Draws(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.unit = resunit.ResidualUnit(nn.Linear(8, 8))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.unit(x * (torch.rand(()) + random.random() + np.random.rand()))  # noqa: NPY002

    model = Draws()
    torch.manual_seed(1)
    random.seed(1)
    np.random.seed(1)  # noqa: NPY002
    states = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].copy()  # noqa: NPY002
    measure(model, torch.randn(2, 8, generator=torch.Generator().manual_seed(0)))
    assert torch.equal(torch.get_rng_state(), states[0])
    assert random.getstate() == states[1]
    assert np.array_equal(np.random.get_state()[1], states[2])  # noqa: NPY002


def test_caches_that_a_pass_registers_are_gone() -> None:
    class Caches(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(8, 8)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            self.register_buffer("cache", x.detach())
            return x + self.layer(x)

    model = Caches()
    measure(model, torch.randn(2, 8))
    assert list(model.state_dict()) == ["layer.weight", "layer.bias"]


def test_a_pass_that_fails_leaves_nothing_behind() -> None:
    model = resunit.create_model("resnet20")
    state = {name: tensor.clone() for name, tensor in model.state_dict().items()}

    def broken(*_: object) -> torch.Tensor:
        raise KeyError("a mistake of the user's own")

    with pytest.raises(KeyError):
        measure(model, IMAGES, TARGETS, broken)
    with pytest.raises(PropagationError):
        measure(model, torch.randn(4, 5, 16, 16), TARGETS)
    assert all(torch.equal(tensor, state[name]) for name, tensor in model.state_dict().items())
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())


def test_what_a_module_puts_in_place_of_a_buffer_is_undone() -> None:
    class Counts(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("calls", torch.zeros(()))
            self.unit = resunit.ResidualUnit(nn.Linear(8, 8))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            self.calls = self.calls + 1
            return self.unit(x)

    model = Counts()
    calls = model.calls
    measure(model, torch.randn(2, 8))
    assert model.calls is calls
    assert calls == 0


def test_no_graph_outlives_a_measurement() -> None:
    instrument = Instrument(resunit.create_model("resnet20", design="exclusive-gating"))
    instrument.measure(IMAGES, TARGETS)

    def tensors() -> int:
        return sum(issubclass(type(kept), torch.Tensor) for kept in gc.get_objects())

    gc.collect()
    gc.disable()  # what only the collector would free is not free yet
    try:
        before = tensors()
        instrument.measure(IMAGES, TARGETS)
        assert tensors() <= before
    finally:
        gc.enable()


@pytest.mark.full
@pytest.mark.parametrize("design", ["original", "full-preactivation", "exclusive-gating"])
def test_measuring_costs_at_most_two_steps_forward_and_backward_and_changes_nothing(design: str) -> None:
    model = resunit.create_model("resnet110", design=design).to(memory_format=torch.channels_last)
    images = torch.randn(16, 3, 32, 32).contiguous(memory_format=torch.channels_last)
    targets = torch.randint(0, 10, (16,))
    instrument = Instrument(model)
    instrument.measure(images, targets)
    times: dict[str, list[float]] = {"plain": [], "measured": []}
    for _ in range(5):
        started = time.perf_counter()
        cross_entropy(model(images), targets).backward()
        times["plain"].append(time.perf_counter() - started)
        state = {name: tensor.clone() for name, tensor in model.state_dict().items()}
        started = time.perf_counter()
        instrument.measure(images, targets)
        times["measured"].append(time.perf_counter() - started)
        assert all(torch.equal(tensor, state[name]) for name, tensor in model.state_dict().items())
    assert min(times["measured"]) < 2 * min(times["plain"])
