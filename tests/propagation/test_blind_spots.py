"""Calls that hide a junction, or change its sum, are named."""

from typing import Any, cast

import pytest
import torch
from torch import Tensor, nn

import resunit
from resunit.errors import PropagationError
from resunit.propagation import Instrument
from tests.propagation.toy import Toy, detected, kinds


class FusedAddition(torch.autograd.Function):
    """Returns x + f without a torch function that adds, like a kernel in C++ or Triton."""

    @staticmethod
    def forward(_ctx: Any, x: Tensor, f: Tensor) -> Tensor:  # pyright: ignore
        return torch.from_numpy(x.detach().numpy() + f.detach().numpy())

    @staticmethod
    def backward(_ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor]:  # pyright: ignore
        return gradient, gradient


def test_a_custom_autograd_function_that_adds_is_named() -> None:
    fused = Toy(lambda m, x: FusedAddition.apply(x, m.map(x)))
    with pytest.raises(
        PropagationError, match=r"1 custom autograd function \(FusedAddition\) .*write the addition out"
    ):
        Instrument(fused).detect(torch.randn(2, 8))
    after = detected(nn.Sequential(resunit.ResidualUnit(nn.Linear(8, 8)), fused), torch.randn(2, 8))
    assert "1 custom autograd function (FusedAddition)" in after.unseen[0]
    of_two_branches = Toy(lambda m, x: x + FusedAddition.apply(m.map(x), m.other(x)))
    assert detected(of_two_branches, torch.randn(2, 8)).unseen == ()


class Rectified(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, y: Tensor) -> Tensor:
        ctx.save_for_backward(y)
        return y.clamp(min=0)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:  # pyright: ignore
        (y,) = ctx.saved_tensors
        return gradient * (y > 0)


def test_a_custom_autograd_function_after_an_addition_is_named() -> None:
    unit = Toy(lambda m, x: Rectified.apply(x + m.map(x)))
    (sentence,) = detected(
        nn.Sequential(unit, resunit.ResidualUnit(nn.Linear(8, 8))), torch.randn(2, 8)
    ).unseen
    assert sentence.startswith("what Rectified does after 1 addition was not seen")


@torch.jit.script
def scripted(x: Tensor, f: Tensor) -> Tensor:
    return x + f


def test_additions_that_python_does_not_see_are_named() -> None:
    within = Toy(lambda m, x: scripted(x, m.map(x)))
    for call in range(4):  # From the second or third call on, TorchScript fuses operations.
        (sentence,) = detected(within, torch.randn(2, 8)).unseen
        inside = "1 junction inside functions whose additions Python does not see"
        fused = "1 compiled or scripted function could not be looked into"
        assert inside in sentence or (call and fused in sentence)
    mapped = Toy(lambda m, x: torch.vmap(lambda row: row + m.map(row))(x))
    with pytest.raises(PropagationError, match=r"1 junction inside functions .*write the addition out"):
        Instrument(mapped).detect(torch.randn(2, 8))


@pytest.mark.full
@pytest.mark.parametrize("compiled_before", [False, True])
def test_a_compiled_function_within_forward_is_looked_into(compiled_before: bool) -> None:
    joined = torch.compile(lambda x, f: torch.relu(x + f), backend="aot_eager")
    model = nn.Sequential(Toy(lambda m, x: joined(x, m.map(x))), resunit.ResidualUnit(nn.Linear(8, 8)))
    if compiled_before:
        model(torch.randn(2, 8)).sum().backward()
    detection = detected(model, torch.randn(2, 8))
    assert [(junction.name, junction.kind, junction.previous_f) for junction in detection.junctions] == [
        ("0", "identity", ()), ("1", "identity", ("relu",)),
    ]  # fmt: skip
    assert detection.unseen == ()


@pytest.mark.filterwarnings("ignore:The .grad attribute")  # aot_function reads this attribute.
def test_functions_that_were_compiled_ahead_are_named() -> None:
    from torch._functorch.aot_autograd import aot_function

    def unchanged(graph: Any, _inputs: Any) -> Any:
        return graph

    joined = aot_function(lambda x, f: torch.relu(x + f), cast(Any, unchanged))
    model = nn.Sequential(Toy(lambda m, x: joined(x, m.map(x))), resunit.ResidualUnit(nn.Linear(8, 8)))
    (sentence,) = detected(model, torch.randn(2, 8)).unseen
    assert sentence.startswith("1 compiled or scripted function could not be looked into")


def test_checkpointed_units_are_seen_and_reentrant_ones_named() -> None:
    from torch.utils.checkpoint import checkpoint

    unit = resunit.ResidualUnit(nn.Linear(8, 8))

    class Checkpointed(nn.Module):
        def __init__(self, reentrant: bool):
            super().__init__()
            self.unit = unit
            self.reentrant = reentrant

        def forward(self, x: Tensor) -> Tensor:
            return checkpoint(self.unit, x.tanh(), use_reentrant=self.reentrant)

    assert kinds(Checkpointed(False), torch.randn(2, 8)) == {"identity": 1}
    with pytest.raises(PropagationError, match=r"1 addition in unit .*use_reentrant=False"):
        Instrument(Checkpointed(True)).detect(torch.randn(2, 8))
