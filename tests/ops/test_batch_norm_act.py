"""What a layer sequence computes with numbers and attributes that the kernel cannot read: what torch computes."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from resunit.ops.batch_norm_act import LayerSequence
from resunit.ops.cpu.batch_norm import can_compute

CHANNELS = 16
Change = Callable[[nn.BatchNorm2d], object]


def every_second(numbers: Tensor) -> Tensor:
    """Return equal numbers that do not lie side by side in memory."""
    return torch.stack([numbers.detach(), -numbers.detach()], dim=1)[:, 0]


def strided_parameter(name: str) -> Change:
    return lambda norm: setattr(norm, name, nn.Parameter(every_second(getattr(norm, name))))


def strided_buffer(name: str) -> Change:
    return lambda norm: setattr(norm, name, every_second(getattr(norm, name)))


def without(*names: str) -> Change:
    return lambda norm: [setattr(norm, name, None) for name in names]


CHANGES: dict[str, Change] = {
    "strided gamma": strided_parameter("weight"),
    "strided beta": strided_parameter("bias"),
    "strided mean": strided_buffer("running_mean"),
    "strided variance": strided_buffer("running_var"),
    "one gamma for all": lambda norm: setattr(
        norm, "weight", nn.Parameter(torch.tensor([0.5]).expand(CHANNELS))
    ),
    "no beta": without("bias"),
    "no gamma and no beta": without("weight", "bias"),
    "no statistics": without("running_mean", "running_var", "num_batches_tracked"),
    "no count": without("num_batches_tracked"),
    "statistics that are not tracked": lambda norm: setattr(norm, "track_running_stats", False),
    "whole momentum": lambda norm: setattr(norm, "momentum", 1),
    "cumulative average": lambda norm: setattr(norm, "momentum", None),
}


def drawn_norm() -> nn.BatchNorm2d:
    torch.manual_seed(0)
    norm = nn.BatchNorm2d(CHANNELS)
    for numbers in (norm.weight, norm.bias, norm.running_mean, norm.running_var):
        assert numbers is not None
        nn.init.uniform_(numbers, 0.5, 1.5)
    return norm


def changed(change: str, training: bool) -> tuple[LayerSequence, nn.Sequential]:
    """Return our sequence and torch's, each with a norm of its own that `change` was made to."""
    sequences = LayerSequence(drawn_norm(), nn.ReLU()), nn.Sequential(drawn_norm(), nn.ReLU())
    for sequence in sequences:
        norm = sequence[0]
        assert isinstance(norm, nn.BatchNorm2d)
        CHANGES[change](norm)
        sequence.train(training)
    return sequences


def activations() -> Tensor:
    torch.manual_seed(1)
    return torch.randn(4, CHANNELS, 5, 5).to(memory_format=torch.channels_last)


@pytest.mark.parametrize("training", [False, True], ids=["evaluation", "training"])
@pytest.mark.parametrize("gradients", [False, True], ids=["without a graph", "with a graph"])
@pytest.mark.parametrize("change", CHANGES)
def test_numbers_of_any_kind_are_computed_as_by_torch(change: str, gradients: bool, training: bool) -> None:
    ours, torchs = changed(change, training)
    with torch.set_grad_enabled(gradients):
        found, expected = ours(activations()), torchs(activations())
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(dict(ours.named_buffers()), dict(torchs.named_buffers()))
    # In evaluation torch 2.14 itself takes wrong gradients of gamma from strided statistics.
    if training and gradients and list(ours.parameters()):
        for result in (found, expected):
            result.square().sum().backward()
        torch.testing.assert_close(
            [p.grad for p in ours.parameters()], [p.grad for p in torchs.parameters()], rtol=1e-3, atol=1e-3
        )


WRONG: dict[str, Change] = {
    "few gammas": lambda norm: setattr(norm, "weight", nn.Parameter(torch.ones(CHANNELS // 2))),
    "few means": lambda norm: setattr(norm, "running_mean", torch.zeros(CHANNELS // 2)),
    "betas of another type": lambda norm: setattr(
        norm, "bias", nn.Parameter(torch.zeros(CHANNELS, dtype=torch.float64))
    ),
    "gammas elsewhere": lambda norm: setattr(
        norm, "weight", nn.Parameter(torch.ones(CHANNELS, device="meta"))
    ),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_numbers_that_torch_refuses_are_refused(wrong: str) -> None:
    norm = drawn_norm()
    WRONG[wrong](norm)
    assert not can_compute(activations(), norm)
    with torch.no_grad(), pytest.raises(RuntimeError):
        LayerSequence(norm, nn.ReLU())(activations())


def test_weights_of_a_class_that_watches_torchs_functions_are_seen() -> None:
    seen: list[str] = []

    class Watching(Tensor):
        @classmethod
        def __torch_function__(cls, func, types, args=(), kwargs=None):
            seen.append(func.__name__)
            return super().__torch_function__(func, types, args, kwargs or {})

    norm = drawn_norm()
    norm.weight = nn.Parameter(torch.ones(CHANNELS).as_subclass(Watching))
    seen.clear()
    LayerSequence(norm, nn.ReLU())(activations())
    assert {"batch_norm", "relu"} <= set(seen)


def test_the_plain_norm_is_still_computed_by_the_kernel() -> None:
    norm = drawn_norm()
    assert can_compute(activations(), norm)
    assert not can_compute(activations().contiguous(), norm)
    expected = functional.relu(nn.Sequential(drawn_norm())(activations()))
    found = LayerSequence(norm, nn.ReLU())(activations())
    torch.testing.assert_close(found, expected)
    assert "BatchNormFunction" in found.grad_fn.name()
