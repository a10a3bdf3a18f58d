"""f is what the adding unit does after its addition; what the next unit shares is a pre-activation of its own."""

from collections.abc import Callable

import pytest
import torch
import torchvision
from torch import Tensor, nn
from torch.nn import functional

import resunit
from resunit.propagation import measure
from tests.propagation.toy import X

IMAGES, LABELS = torch.randn(4, 3, 16, 16), torch.arange(4)

# f of each junction of a network of three stages of three units, and what the first unit of a stage shares.
AFTER: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "original": (("relu",), ()),
    "bn-after-addition": (("batch_norm", "relu"), ()),
    "relu-before-addition": ((), ()),
    "relu-only-preactivation": ((), ("relu",)),
    "full-preactivation": ((), ("batch_norm", "relu")),
}


@pytest.mark.parametrize("design", AFTER)
def test_designs(design: str) -> None:
    torch.manual_seed(0)
    f, shared = AFTER[design]
    result = measure(resunit.create_model("resnet20", design=design), IMAGES, LABELS)
    for number, junction in enumerate(result.junctions):
        assert junction.f == f, "after the last addition as well"
        assert junction.shared_preactivation == (shared if number in (3, 6) else ())
        assert (junction.negative_share is None) == (junction.energy_cut is None) == (not f)
        assert (junction.gradient_blocked is None) == (not f)
    assert any("the ReLU after the addition" in sentence for sentence in result.findings) == bool(f)


@pytest.mark.parametrize("design", ["relu-only-preactivation", "full-preactivation"])
def test_identity_f_leaves_the_direct_term_whole_up_to_the_end_of_each_stage(design: str) -> None:
    torch.manual_seed(0)
    result = measure(resunit.create_model("resnet20", design=design), IMAGES, LABELS)
    for number, junction in enumerate(result.junctions):
        if number not in (3, 6):  # Their shortcuts change the size.
            assert junction.direct_gain == pytest.approx(1, rel=1e-5)
            assert junction.f_scale in (1, None)


def test_blocks_of_torchvision_end_in_their_own_relu() -> None:
    torch.manual_seed(0)
    network = torchvision.models.resnet18(num_classes=4)
    junctions = measure(network, torch.randn(2, 3, 64, 64), torch.arange(2)).junctions
    assert {junction.f for junction in junctions} == {("relu",)}
    assert {junction.shared_preactivation for junction in junctions} == {()}
    assert all(junction.negative_share is not None for junction in junctions)


class Flat(nn.Module):
    """Two additions in one module: what belongs to which unit, no module tells."""

    def __init__(self, relu_after: bool, norm_at_the_end: bool):
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(8, 8) for _ in range(3))
        self.relu_after, self.norm_at_the_end = relu_after, norm_at_the_end

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = x + torch.tanh(layer(x))
            if self.relu_after:
                x = torch.relu(x)
        return torch.relu(nn.functional.layer_norm(x, (8,))) if self.norm_at_the_end else x


@pytest.mark.parametrize("relu_after", [False, True])
@pytest.mark.parametrize("norm_at_the_end", [False, True])
def test_in_one_module_f_is_what_follows_the_other_additions_too(
    relu_after: bool, norm_at_the_end: bool
) -> None:
    junctions = measure(Flat(relu_after, norm_at_the_end), torch.randn(4, 8)).junctions
    assert [junction.f for junction in junctions] == [("relu",) if relu_after else ()] * 3


def test_a_module_between_two_units_is_f_of_the_first() -> None:
    units = [resunit.ResidualUnit(nn.Linear(8, 8)) for _ in range(2)]
    junctions = measure(nn.Sequential(units[0], nn.ReLU(), units[1]), torch.randn(4, 8)).junctions
    assert [junction.f for junction in junctions] == [("relu",), ()]
    assert junctions[1].shared_preactivation == ()


def test_a_unit_that_is_called_again_shares_its_own_preactivation() -> None:
    class Shared(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer, self.shortcut = nn.Linear(8, 8), nn.Linear(8, 8, bias=False)

        def forward(self, x: Tensor) -> Tensor:
            x = torch.relu(x)
            return 0.5 * x + torch.tanh(self.layer(x))

    unit = Shared()
    junctions = measure(nn.Sequential(unit, unit, unit), torch.randn(4, 8)).junctions
    assert [junction.f for junction in junctions] == [()] * 3
    assert [junction.shared_preactivation for junction in junctions] == [(), ("relu",), ("relu",)]
    assert all(junction.energy_cut is None for junction in junctions)


WRITTEN_OUT: dict[str, Callable[[Tensor], Tensor]] = {
    "layer norm": lambda y: (y - y.mean(-1, keepdim=True)) / (y.var(-1, keepdim=True) + 1e-5).sqrt(),
    "RMS norm": lambda y: y * torch.rsqrt(y.square().mean(-1, keepdim=True) + 1e-5),
    "swish": lambda y: y * torch.sigmoid(y),
    "leaky": lambda y: torch.where(y > 0, y, 0.1 * y),
    "unit length": lambda y: functional.normalize(y, dim=-1),
}


@pytest.mark.parametrize("name", WRITTEN_OUT)
def test_a_function_of_several_steps_is_f_of_the_last_addition_too(name: str) -> None:
    function = WRITTEN_OUT[name]

    class Unit(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.branch = nn.Sequential(nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 8))

        def forward(self, x: Tensor) -> Tensor:
            return function(x + self.branch(x))

    torch.manual_seed(0)
    units, head = [Unit() for _ in range(3)], nn.Linear(8, 3)
    model = nn.Sequential(*units, head).double()
    x = X.double().requires_grad_()
    junctions = measure(model, x).junctions
    assert len({junction.f for junction in junctions}) == 1
    stream, outputs = x, []
    for unit in units:
        entry = stream.detach().requires_grad_()
        outputs.append((entry, function(entry + unit.branch(entry).detach())))
        stream = unit(stream)
    (direct,) = torch.autograd.grad(head(stream).square().mean(), stream)
    end = direct.norm()
    for junction, (entry, direct_output) in zip(junctions[::-1], outputs[::-1], strict=True):
        (direct,) = torch.autograd.grad(direct_output, entry, direct)
        assert junction.direct_gain == pytest.approx((direct.norm() / end).item(), rel=1e-6)
