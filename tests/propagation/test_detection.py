"""The junctions of a network are found, and nothing else is, without naming modules."""

from collections import Counter, UserDict
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import linear

import resunit
from resunit.models.designs import DESIGNS
from tests.propagation.networks import DESIGN_KINDS, NETWORKS, Network, padded
from tests.propagation.toy import Toy, detected, kinds


@pytest.mark.parametrize(
    "network",
    [pytest.param(n, id=n.name, marks=[pytest.mark.full] if n.slow else []) for n in NETWORKS],
)
def test_the_junctions_of_networks_of_other_libraries(network: Network) -> None:
    torch.manual_seed(0)
    detection = detected(*network.build())
    assert Counter(junction.kind for junction in detection.junctions) == network.kinds
    assert detection.unseen == ()


@pytest.mark.parametrize("name", [n.name for n in NETWORKS if n.library == "transformers"])
def test_a_mask_of_the_inputs_hides_no_junction(name: str) -> None:
    torch.manual_seed(0)
    network = next(network for network in NETWORKS if network.name == name)
    model, inputs = network.build()
    detection = detected(model, padded(inputs))
    assert Counter(junction.kind for junction in detection.junctions) == network.kinds
    assert detection.unseen == ()


def test_indices_that_are_looked_up_by_hand() -> None:
    class OneHot(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table, self.unit = nn.Linear(10, 8), resunit.ResidualUnit(nn.Linear(8, 8))

        def forward(self, indices: Tensor) -> Tensor:
            return self.unit(self.table(nn.functional.one_hot(indices, 10).float()))

    assert kinds(OneHot(), torch.tensor([[1, 2], [3, 4]])) == {"identity": 1}


@pytest.mark.parametrize("norm_first", [True, False])
def test_a_padding_mask_of_torchs_own_encoder(norm_first: bool) -> None:
    layer = nn.TransformerEncoderLayer(32, 4, 64, batch_first=True, norm_first=norm_first)
    model = nn.TransformerEncoder(layer, 3, enable_nested_tensor=False)
    mask = torch.tensor([[False] * 5, [False] * 3 + [True] * 2])
    inputs = {"src": torch.randn(2, 5, 32), "src_key_padding_mask": mask}
    for training in (True, False):
        assert kinds(model.train(training), inputs) == {"identity": 6}


@pytest.mark.parametrize("design", DESIGNS)
def test_the_junctions_of_our_designs(design: str) -> None:
    model = resunit.create_model("resnet20", design=design)
    detection = detected(model, torch.randn(2, 3, 16, 16))
    assert Counter(junction.kind for junction in detection.junctions) == DESIGN_KINDS[design]
    assert [junction.name for junction in detection.junctions] == [
        f"stages.{s}.{u}" for s in range(3) for u in range(3)
    ]
    assert [junction.stage for junction in detection.junctions] == [1, 1, 1, 2, 2, 2, 3, 3, 3]
    assert [junction.previous for junction in detection.junctions] == [None, *range(8)]
    assert all(junction.exact for junction in detection.junctions)
    # In channels-last memory our batch norm and the activation after it are one function, unless traced.
    images = torch.randn(2, 3, 16, 16).to(memory_format=torch.channels_last)
    fused = detected(model.to(memory_format=torch.channels_last), images)
    seen = [(s.name, s.kind, s.stage, s.previous, s.exact) for s in fused.junctions]
    assert seen == [(s.name, s.kind, s.stage, s.previous, s.exact) for s in detection.junctions]


JOINS = {
    "x + f": (lambda m, x: x + m.map(x), "identity"),
    "f + x": (lambda m, x: m.map(x) + x, "identity"),
    "out += x": (lambda m, x: m.map(x).__iadd__(x), "identity"),
    "torch.add with alpha": (lambda m, x: torch.add(x, m.map(x), alpha=0.5), "identity"),
    "torch.add with alpha on x": (lambda m, x: torch.add(m.map(x), x, alpha=0.5), "scale"),
    "sum([x, f])": (lambda m, x: sum([x, m.map(x)]), "identity"),
    "addmm": (lambda m, x: torch.addmm(x, x, m.map.weight), "identity"),
    "addmm with beta": (lambda m, x: torch.addmm(x, x, m.map.weight, beta=0.5), "scale"),
    "baddbmm": (lambda m, x: torch.baddbmm(x[None], x[None], m.map.weight[None]), "identity"),
    "addcmul": (lambda m, x: torch.addcmul(x, m.map(x), m.scale), "identity"),
    "lerp": (lambda m, x: torch.lerp(x, m.map(x), 0.25), "scale"),
    "lerp with a gate": (lambda m, x: torch.lerp(x, m.map(x), torch.sigmoid(m.other(x))), "gate"),
    "learned scale": (lambda m, x: m.scale * x + m.map(x), "scale"),
    "divided": (lambda m, x: x / 2 + m.map(x), "scale"),
    "gate": (lambda m, x: (1 - torch.sigmoid(m.other(x))) * x + m.map(x), "gate"),
    "weights": (lambda m, x: m.other(x) + torch.relu(m.map(x)) @ m.high @ m.low, "projection"),
    "dropped": (lambda m, x: nn.functional.dropout(x, 0.5) + m.map(x), "operations"),
    "cast and viewed": (lambda m, x: x.double().view(2, 8).float() + m.map(x), "identity"),
    "part of a split": (lambda m, x: x.chunk(2, 1)[0] + m.map(x)[:, 4:], "operations"),
    "nothing learned": (lambda m, x: m.map(x.cos() * x + x.sin() * x.flip(1)), None),
    "a bias": (lambda m, x: m.map(x) + m.scale, None),
    "two branches": (lambda m, x: m.map(torch.relu(x)) + m.other(torch.tanh(x)), None),
    "a low-rank addend": (lambda m, x: m.map(x) + linear(linear(x, m.low), m.high), None),
    "tied weights": (lambda m, x: linear(x, m.map.weight) + m.map.weight[0] * 2, None),
}  # fmt: skip


@pytest.mark.parametrize("name", JOINS)
def test_each_way_to_write_an_addition(name: str) -> None:
    join, kind = JOINS[name]
    assert kinds(Toy(join), torch.randn(2, 8)) == ({} if kind is None else {kind: 1})


@pytest.mark.parametrize(
    "join",
    [
        lambda m, x: x + m.map(x) + m.other(x),
        lambda m, x: m.map(x) + x + m.other(x),
        lambda m, x: m.map(x) + m.other(x) + x,
        lambda m, x: m.map(x) + (x + m.other(x)),
    ],
)
def test_parallel_branches_are_one_junction_however_they_are_added(join: Any) -> None:
    (junction,) = detected(Toy(join), torch.randn(2, 8)).junctions
    assert (junction.kind, junction.exact) == ("identity", True)


def test_a_network_that_changes_values_in_place() -> None:
    units = [resunit.ResidualUnit(nn.Conv2d(4, 4, 1), after_addition=nn.ReLU(inplace=True)) for _ in range(3)]
    junctions = detected(nn.Sequential(*units), torch.randn(2, 4, 4, 4)).junctions
    assert [junction.kind for junction in junctions] == ["identity"] * 3
    assert [junction.previous_f for junction in junctions] == [(), ("relu",), ("relu",)]


class CustomProduct(torch.autograd.Function):
    """Returns x w; the node of this custom autograd function carries the weights."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        return x @ weight

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor]:  # pyright: ignore
        x, weight = ctx.saved_tensors
        return gradient @ weight.T, x.T @ gradient


def test_custom_autograd_functions_in_the_branch() -> None:
    assert kinds(Toy(lambda m, x: x + CustomProduct.apply(x, m.map.weight)), torch.randn(2, 8)) == {
        "identity": 1
    }


class Pair(NamedTuple):
    left: Tensor
    right: Tensor


@pytest.mark.parametrize(
    ("inputs", "of"),
    [
        (({"image": torch.randn(2, 8)},), lambda batch: batch["image"]),
        (([UserDict(image=[torch.randn(2, 8)])],), lambda batch: batch[0]["image"][0]),
        ((Pair(torch.randn(2, 8), torch.randn(2, 8)),), lambda batch: batch.left + batch.right),
        ({"batch": {"image": torch.randn(2, 8)}}, lambda batch: batch["image"]),
    ],
    ids=["mapping", "list", "named tuple", "keyword"],
)
def test_inputs_within_inputs(inputs: Any, of: Any) -> None:
    class Unpacks(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.unit = resunit.ResidualUnit(nn.Linear(8, 8))

        def forward(self, batch: Any) -> Tensor:
            return self.unit(of(batch))

    assert kinds(Unpacks(), inputs) == {"identity": 1}


def test_frozen_networks_and_leaf_inputs() -> None:
    model = Toy(lambda m, x: x + m.map(x)).requires_grad_(False)
    assert kinds(model, torch.randn(2, 8)) == {"identity": 1}
    assert not any(parameter.requires_grad for parameter in model.parameters())
    raw = nn.Sequential(resunit.ResidualUnit(nn.Linear(8, 8)))
    assert kinds(raw, torch.randn(2, 8)) == {"identity": 1}
