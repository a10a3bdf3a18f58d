"""Lesions, singular values, correlations and mixing agree with their formulas."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

import resunit
from resunit.errors import PropagationError
from resunit.models.residual_unit import ResidualUnit
from resunit.propagation import MixingStep, measure, measure_mixing
from tests.propagation.blocks import WIDTH, HyperConnection, HyperNetwork, doubly_stochastic, step
from tests.propagation.toy import known, units_of

X, TARGETS = torch.randn(4, 8, generator=torch.Generator().manual_seed(0)), torch.tensor([0, 1, 2, 3])


def network(depth: int = 3, inplace: bool = False) -> nn.Sequential:
    torch.manual_seed(1)
    branches = [nn.Sequential(nn.Linear(8, 16), nn.Tanh(), nn.Linear(16, 8)) for _ in range(depth)]
    return nn.Sequential(*(ResidualUnit(branch, after_addition=nn.ReLU(inplace)) for branch in branches))


@pytest.mark.parametrize("inplace", [False, True])
def test_a_lesion_is_the_loss_without_the_branch(inplace: bool) -> None:
    model = network(inplace=inplace)
    junctions = measure(model, X, TARGETS, also=["lesion"]).junctions
    whole = functional.cross_entropy(model(X), TARGETS).item()
    for number, junction in enumerate(junctions):
        x = X
        for index, unit in enumerate(units_of(model)):
            x = functional.relu(x if index == number else x + unit.branch(x))
        expected = functional.cross_entropy(x, TARGETS).item() - whole
        assert junction.loss_change == pytest.approx(expected, abs=1e-6)
    helpful = sum(known(junction.loss_change) > 0 for junction in junctions)
    words = f"the loss rises without {helpful} of 3 branches"
    assert any(words in sentence for sentence in measure(model, X, TARGETS, also=["lesion"]).findings)


def test_lesions_in_the_fast_path_of_torch() -> None:
    layer = nn.TransformerEncoderLayer(WIDTH, 2, 32, batch_first=True)
    model = nn.TransformerEncoder(layer, 2).eval()
    junctions = measure(
        model, torch.randn(2, 3, WIDTH), also=["lesion"], loss=lambda y, _: y[0, 0, 0]
    ).junctions
    assert len(junctions) == 4
    assert all(junction.loss_change != 0 for junction in junctions)


def test_the_largest_singular_value_of_the_jacobian() -> None:
    model = network()
    junctions = measure(model, X, also=["jacobian"]).junctions
    x = X
    for unit, junction in zip(units_of(model), junctions, strict=True):

        def joined(flat: Tensor, branch: Any = unit.branch) -> Tensor:
            return flat + branch(flat.view(4, 8)).flatten()

        jacobian = torch.autograd.functional.jacobian(joined, x.flatten())
        assert junction.singular_value == pytest.approx(torch.linalg.svdvals(jacobian)[0].item(), rel=1e-3)
        x = unit(x)


def test_singular_values_through_attention_and_batch_norm() -> None:
    layer = nn.TransformerEncoderLayer(WIDTH, 2, 32, batch_first=True, dropout=0.0)
    junctions = measure(
        nn.TransformerEncoder(layer, 1), torch.randn(2, 3, WIDTH), also=["jacobian"]
    ).junctions
    assert all(junction.singular_value is not None for junction in junctions)
    model = resunit.create_model("resnet20", design="constant-scaling")
    junctions = measure(model, torch.randn(2, 3, 8, 8), also=["jacobian"]).junctions
    assert all(known(junction.singular_value) > 0.5 for junction in junctions)


def test_the_correlation_between_samples() -> None:
    model = network()
    junctions = measure(model, X, also=["correlation"]).junctions
    x = X
    for unit, junction in zip(units_of(model), junctions, strict=True):
        y = x + unit.branch(x)
        cosines = [
            functional.cosine_similarity(y[a], y[b], dim=0) for a in range(4) for b in range(4) if a != b
        ]
        assert junction.sample_correlation == pytest.approx(torch.stack(cosines).mean().item(), abs=1e-5)
        x = unit(x)
    with pytest.raises(PropagationError, match="batch"):
        measure(model, X[:1], also=["correlation"])


def test_unknown_measures_are_refused() -> None:
    with pytest.raises(PropagationError, match=r"'lesions'.*lesion, jacobian, correlation"):
        measure(network(), X, also=["lesions"])  # pyright: ignore


TOKENS = torch.randn(2, 5, WIDTH)


@pytest.mark.parametrize("constrained", [False, True])
def test_mixing_matrices(constrained: bool) -> None:
    torch.manual_seed(0)
    model = HyperNetwork(depth=6, constrained=constrained)
    mixings = measure_mixing(model, TOKENS, step)
    assert [mixing.name for mixing in mixings] == [f"layers.{i}" for i in range(6)]
    product = torch.eye(4)
    for layer, mixing in zip(model.connections, mixings, strict=True):
        matrix = layer.matrix().detach()
        product = matrix @ product
        assert mixing.row_sum == pytest.approx(max(sum(map(abs, row)) for row in matrix.tolist()), rel=1e-5)
        assert mixing.column_sum == pytest.approx(
            max(sum(map(abs, row)) for row in matrix.T.tolist()), rel=1e-5
        )
        assert mixing.singular_values == pytest.approx(torch.linalg.svdvals(matrix).tolist(), rel=1e-4)
        assert mixing.product_row_sum == pytest.approx(product.abs().sum(1).max().item(), rel=1e-4)
        assert mixing.product_column_sum == pytest.approx(product.abs().sum(0).max().item(), rel=1e-4)
        assert mixing.closure_error < 1e-6
        assert not mixing.transposed
    if constrained:  # The product of doubly stochastic matrices is doubly stochastic.
        assert mixings[-1].product_row_sum == pytest.approx(1, rel=1e-4)
        assert mixings[-1].product_column_sum == pytest.approx(1, rel=1e-4)
    else:
        assert mixings[-1].product_row_sum > 2


@pytest.mark.parametrize("constrained", [False, True])
def test_a_transposed_mixing_matrix_is_caught(constrained: bool) -> None:
    torch.manual_seed(0)

    def wrong(module: nn.Module, args: Any, output: Any) -> MixingStep | None:
        if not isinstance(module, HyperConnection):
            return None
        return MixingStep(args[0], output, module.matrix().mT, module.write, module.value)

    network = HyperNetwork(2, constrained)
    # M and its transpose do the same until the streams differ.
    network.connections[0].write.data[0] = 2
    model = nn.Sequential(nn.Linear(WIDTH, WIDTH), network)
    last = measure_mixing(model, TOKENS, wrong)[-1]
    assert last.transposed
    assert "transposed" in last.finding


def test_an_equation_with_something_else_in_it() -> None:
    def forgets(module: nn.Module, args: Any, output: Any) -> MixingStep | None:
        if not isinstance(module, HyperConnection):
            return None
        return MixingStep(args[0], output, module.matrix(), torch.zeros(4), module.value)

    mixing = measure_mixing(HyperNetwork(1, False), TOKENS, forgets)[0]
    assert mixing.closure_error > 0.01
    assert "something else takes part" in mixing.finding


def test_an_adapter_that_knows_nothing() -> None:
    with pytest.raises(PropagationError, match="adapter"):
        measure_mixing(network(), X, lambda *_: None)


def test_sinkhorn() -> None:
    matrix = doubly_stochastic(torch.randn(4, 4))
    torch.testing.assert_close(matrix.sum(0), torch.ones(4))
    torch.testing.assert_close(matrix.sum(1), torch.ones(4))
