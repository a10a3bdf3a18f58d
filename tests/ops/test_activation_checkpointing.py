"""Recomputation changes what is stored and nothing else."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import pytest
import torch
from torch import Tensor, nn
from torch.autograd import forward_ad
from torch.nn import functional
from torch.overrides import BaseTorchFunctionMode
from torch.utils.flop_counter import FlopCounterMode

from resunit import create_model
from resunit.models.network import ResidualNetwork
from resunit.models.registry import network_spec
from resunit.models.summary import count_activations
from resunit.ops.activation_checkpointing import enable_activation_checkpointing, segment_length
from tests.models.parts import conv, units


def trained_step(model: ResidualNetwork) -> dict[str, Tensor]:
    """Gradients and buffers after one forward and backward pass of one random batch."""
    torch.manual_seed(1)
    images = torch.randn(4, 3, 16, 16).to(memory_format=torch.channels_last)
    functional.cross_entropy(model(images), torch.arange(4)).backward()
    gradients = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
    return gradients | dict(model.named_buffers()) | {"random state": torch.random.get_rng_state()}


def twins(name: str, design: str | None = None) -> tuple[ResidualNetwork, ResidualNetwork]:
    networks = []
    for _ in range(2):
        torch.manual_seed(0)
        networks.append(create_model(name, design=design).to(memory_format=torch.channels_last))
    enable_activation_checkpointing(networks[1].stages)
    return networks[0], networks[1]


@pytest.mark.parametrize(
    ("name", "design"),
    [
        ("preresnet164", None),
        ("resnet20", "bn-after-addition"),
        ("resnet20", "exclusive-gating"),
        ("resnet56", "dropout-shortcut"),
        ("preresnet10-quick", None),
    ],
)
def test_gradients_statistics_and_random_state_are_bitwise_the_same(name: str, design: str | None) -> None:
    stored, recomputed = map(trained_step, twins(name, design))
    assert stored.keys() == recomputed.keys()
    assert all(torch.equal(stored[key], recomputed[key]) for key in stored)
    assert all(count == 1 for key, count in recomputed.items() if key.endswith("num_batches_tracked"))


def test_dropout_would_differ_if_it_drew_again() -> None:
    """The test above can fail: another draw gives other gradients."""
    model, _ = twins("resnet56", design="dropout-shortcut")
    first = trained_step(model)["stem.conv1.weight"].clone()
    model.zero_grad()
    torch.manual_seed(2)
    functional.cross_entropy(model(torch.randn(4, 3, 16, 16)), torch.arange(4)).backward()
    second = conv(model, "stem.conv1").weight.grad
    assert second is not None
    assert not torch.equal(first, second)


def test_all_but_the_last_units_of_a_stage_run_once_more_and_only_in_training() -> None:
    model = create_model("preresnet56")
    enable_activation_checkpointing(model.stages)
    runs = 0

    def count(*_: object) -> None:
        nonlocal runs
        runs += 1

    for unit in units(model):
        conv(unit, "branch.conv1").register_forward_hook(count)
    model(torch.randn(2, 3, 8, 8)).sum().backward()
    assert runs == 27 + 3 * (9 - 3)
    runs = 0
    with torch.no_grad():
        model(torch.randn(2, 3, 8, 8))
    assert runs == 27


WATCHERS: dict[str, Callable[[], AbstractContextManager[object]]] = {
    "nobody": nullcontext,
    "function mode": BaseTorchFunctionMode,
    "dispatch mode": lambda: FlopCounterMode(display=False),
    "forward-mode level": forward_ad.dual_level,
}


@pytest.mark.parametrize("backward", WATCHERS)
@pytest.mark.parametrize("forward", WATCHERS)
def test_the_second_pass_computes_as_the_first_whoever_watches(forward: str, backward: str) -> None:
    gradients = []
    for model in twins("preresnet20"):
        torch.manual_seed(1)
        images = torch.randn(4, 3, 8, 8).to(memory_format=torch.channels_last)
        with WATCHERS[forward]():
            loss = functional.cross_entropy(model(images), torch.arange(4))
        with WATCHERS[backward]():
            loss.backward()
        gradients.append([p.grad for p in model.parameters()])
    torch.testing.assert_close(gradients[1], gradients[0], rtol=0, atol=0)


def stored_numbers(model: nn.Module, images: Tensor) -> int:
    """What autograd holds between forward and backward, by storages, parameters apart."""
    own = {p.untyped_storage().data_ptr() for p in model.parameters()}
    held = {}

    def pack(tensor: Tensor) -> Tensor:
        held[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes() // 4
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        loss = model(images).sum()
    total = sum(size for address, size in held.items() if address not in own)
    loss.backward()
    return total


@pytest.mark.parametrize("name", ["preresnet56", "resnet164", "resnet110-1layer"])
def test_the_need_is_foretold(name: str) -> None:
    spec = network_spec(name)
    model = create_model(name).to(memory_format=torch.channels_last)
    images = torch.randn(4, 3, 16, 16).to(memory_format=torch.channels_last)
    assert count_activations(spec, 16).everything * 4 == pytest.approx(
        stored_numbers(model, images), rel=0.02
    )


def test_memory_grows_as_the_square_root_of_depth() -> None:
    at = {n: count_activations(network_spec(f"preresnet{n}"), 32).checkpointed for n in (164, 1001, 10001)}
    assert at[1001] / at[164] < 1.1 * (333 / 54) ** 0.5
    assert at[10001] / at[1001] < 1.1 * (3333 / 333) ** 0.5
    assert [segment_length(units) for units in (0, 1, 2, 4, 5, 111)] == [1, 1, 2, 2, 3, 11]
