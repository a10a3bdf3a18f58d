"""Measuring leaves a network, its gradients and the generators exactly as they were."""

import gc
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

import resunit
from resunit.errors import PropagationError
from resunit.propagation import Instrument, measure
from tests.propagation.toy import X, scaled_network

IMAGES, TARGETS = torch.randn(4, 3, 16, 16), torch.tensor([0, 1, 2, 3])
# Where h is the identity, the gradient of a sum is also that of x and the direct term, and is summed once.
MOST_SUMS_OF_A_JUNCTION = {"original": 13, "full-preactivation": 8, "exclusive-gating": 16}


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
        assert (gradient is None) == (content is None)
        assert gradient is None or content is None or torch.equal(gradient, content)
    assert [p.requires_grad for p in model.parameters()] == flags
    assert [m.training for m in model.modules()] == modes
    assert torch.equal(images, IMAGES)
    assert not images.requires_grad
    assert torch.equal(torch.get_rng_state(), generator)
    assert random.getstate() == python
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())


def numpy_state() -> np.ndarray:
    """Return a copy of the numbers of NumPy's global generator."""
    state = np.random.get_state(legacy=False)  # noqa: NPY002
    return np.array(state["state"]["key"])


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
    states = torch.get_rng_state(), random.getstate(), numpy_state()
    measure(model, torch.randn(2, 8, generator=torch.Generator().manual_seed(0)))
    assert torch.equal(torch.get_rng_state(), states[0])
    assert random.getstate() == states[1]
    assert np.array_equal(numpy_state(), states[2])


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


class Operations(TorchDispatchMode):
    """Counts what a computation does: floating-point operations, and operations by their names."""

    def __init__(self) -> None:
        super().__init__()
        self.counts: Counter[str] = Counter()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        del types
        self.counts[func.overloadpacket.__name__] += 1
        return func(*args, **(kwargs or {}))


def arithmetic(compute: Callable[[], object]) -> int:
    """Return the number of floating-point operations of convolutions and linear layers."""
    with FlopCounterMode(display=False) as counter:
        compute()
    return counter.get_total_flops()


@pytest.mark.parametrize("design", ["original", "full-preactivation", "exclusive-gating"])
def test_a_measurement_computes_less_than_a_step_of_training(design: str) -> None:
    """It leaves out the gradients of weights, which is about a third of the arithmetic of a step."""
    model = resunit.create_model("resnet20", design=design)
    instrument = Instrument(model)
    instrument.measure(IMAGES, TARGETS)
    step = arithmetic(lambda: cross_entropy(model(IMAGES), TARGETS).backward())
    assert 0 < arithmetic(lambda: instrument.measure(IMAGES, TARGETS)) < step
    assert arithmetic(lambda: measure(model, IMAGES, TARGETS)) < 1.5 * step


@pytest.mark.parametrize("design", MOST_SUMS_OF_A_JUNCTION)
def test_a_measurement_runs_each_convolution_once_forward_and_sums_a_few_times_a_junction(
    design: str,
) -> None:
    model = resunit.create_model("resnet20", design=design)
    convolutions = sum(isinstance(module, nn.Conv2d) for module in model.modules())
    instrument = Instrument(model)
    junctions = len(instrument.measure(IMAGES, TARGETS).junctions)
    with Operations() as operations:
        instrument.measure(IMAGES, TARGETS)
    assert operations.counts["convolution"] == convolutions
    assert operations.counts["dot"] <= MOST_SUMS_OF_A_JUNCTION[design] * junctions
    transfers = operations.counts["_local_scalar_dense"]
    assert transfers <= 1, "the numbers of all junctions are transferred at once"


@pytest.mark.parametrize("depth", [2, 16])
def test_the_number_of_backward_passes_does_not_grow_with_depth(
    depth: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where h is the identity, one backward pass gives every term; no product is computed apart."""
    passes = 0
    grad = torch.autograd.grad

    def counted_grad(*args: Any, **kwargs: Any) -> Any:
        nonlocal passes
        passes += 1
        return grad(*args, **kwargs)

    instrument = Instrument(scaled_network(1.0, depth))
    instrument.measure(X)
    monkeypatch.setattr(torch.autograd, "grad", counted_grad)
    instrument.measure(X)
    assert passes == 1


def test_tensors_within_an_object_are_inputs() -> None:
    class Batch:
        images = X

        def __init__(self) -> None:
            self.inner = X.clone()

    class Unpacks(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.unit = resunit.ResidualUnit(nn.Linear(8, 8))

        def forward(self, batch: Batch) -> torch.Tensor:
            return self.unit(batch.inner)

    batch = Batch()
    assert len(measure(Unpacks(), [batch]).junctions) == 1
    assert not batch.inner.requires_grad


def test_float16_measures_what_float32_does() -> None:
    class Small(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(8, 64)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return 1e-3 * self.layer(x)

    torch.manual_seed(0)
    model = nn.Sequential(*(resunit.ResidualUnit(nn.Linear(8, 8)) for _ in range(4)), Small())
    tokens = torch.randn(32, 16, 8)
    single = measure(model, tokens).junctions
    half = measure(model.half(), tokens.half()).junctions
    for one, other in zip(single, half, strict=True):
        assert other.gradient_gain == pytest.approx(one.gradient_gain, rel=0.01)
        assert other.gradient_branch == pytest.approx(one.gradient_branch, rel=0.01)


@pytest.mark.full
def test_measuring_does_not_import_torchs_compiler() -> None:
    program = (
        "import sys, torch, resunit; from torch import nn; from resunit.propagation import measure; "
        "measure(nn.Sequential(resunit.ResidualUnit(nn.Linear(8, 8))), torch.randn(2, 8)); "
        "assert 'torch._dynamo' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
