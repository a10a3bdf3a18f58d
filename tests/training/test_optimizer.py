"""The optimizer against torch's own, step by step."""

from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from resunit import create_model
from resunit.training.optimizer import RecipeOptimizer
from resunit.training.recipe import Recipe
from resunit.training.recipes import named_recipe


def network() -> nn.Module:
    torch.manual_seed(0)
    return create_model("preresnet20").to(memory_format=torch.channels_last)


def gradients(model: nn.Module) -> None:
    torch.manual_seed(int(sum(float(p.detach().abs().sum()) for p in model.parameters())) % 1000)
    images = torch.randn(4, 3, 32, 32).contiguous(memory_format=torch.channels_last)
    model.zero_grad()
    cross_entropy(model(images), torch.tensor([1, 2, 3, 4])).backward()


@pytest.mark.parametrize("decayed", ["all", "weights"])
def test_every_parameter_steps_once_and_the_classifier_decays(decayed: str) -> None:
    model = network()
    optimizer = RecipeOptimizer(replace(named_recipe("paper"), decay_parameters=decayed), model)
    groups = [group for optimizer, _ in optimizer.stepped for group in optimizer.param_groups]
    stepped = [id(p) for group in groups for p in group["params"]]
    assert sorted(stepped) == sorted(id(p) for p in model.parameters())
    decay = {id(p): group["weight_decay"] for group in groups for p in group["params"]}
    named = dict(model.named_parameters())
    assert decay[id(named["classifier.weight"])] == 1e-4
    assert decay[id(named["classifier.bias"])] == (1e-4 if decayed == "all" else 0)
    assert decay[id(named["stem.conv1.weight"])] == 1e-4


@pytest.mark.parametrize("recipe", ["paper", "fb"])
def test_sgd_is_torchs(recipe: str) -> None:
    ours, theirs, chosen = network(), network(), named_recipe(recipe)
    optimizer = RecipeOptimizer(chosen, ours)
    sgd = torch.optim.SGD(
        theirs.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4, nesterov=recipe == "fb", fused=True
    )
    for rate in (0.1, 0.1, 0.01):
        gradients(ours)
        gradients(theirs)
        optimizer.set_learning_rate(rate)
        optimizer.step()
        sgd.param_groups[0]["lr"] = rate
        sgd.step()
    assert all(torch.equal(a, b) for a, b in zip(ours.parameters(), theirs.parameters(), strict=True))


@pytest.mark.parametrize(
    "recipe",
    [named_recipe("paper"), named_recipe("quick"), replace(named_recipe("paper"), optimizer="adamw")],
)
def test_state_continues_where_it_was(recipe: Recipe) -> None:
    whole, first = network(), network()
    straight, before = RecipeOptimizer(recipe, whole), RecipeOptimizer(recipe, first)
    for model, optimizer in ((whole, straight), (first, before)):
        gradients(model)
        optimizer.step()
    second = network()
    second.load_state_dict(first.state_dict())
    after = RecipeOptimizer(recipe, second)
    after.load_state({name: tensor.clone() for name, tensor in before.state().items()})
    for model, optimizer in ((whole, straight), (second, after)):
        gradients(model)
        optimizer.set_learning_rate(recipe.learning_rate / 2)
        optimizer.step()
    assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), second.parameters(), strict=True))


def test_adamw_is_torchs() -> None:
    chosen = replace(named_recipe("paper"), optimizer="adamw", learning_rate=1e-3, weight_decay=0.05)
    ours, theirs = network(), network()
    optimizer = RecipeOptimizer(chosen, ours)
    adamw = torch.optim.AdamW(theirs.parameters(), lr=1e-3, betas=(0.9, 0.999), weight_decay=0.05, fused=True)
    for rate in (1e-3, 1e-3, 1e-4):
        gradients(ours)
        gradients(theirs)
        optimizer.set_learning_rate(rate)
        optimizer.step()
        adamw.param_groups[0]["lr"] = rate
        adamw.step()
    assert all(torch.equal(a, b) for a, b in zip(ours.parameters(), theirs.parameters(), strict=True))


def test_gradients_are_scaled_down_to_their_greatest_norm() -> None:
    clipped, scaled = network(), network()
    limited = RecipeOptimizer(replace(named_recipe("paper"), max_gradient_norm=0.5), clipped)
    plain = RecipeOptimizer(named_recipe("paper"), scaled)
    gradients(clipped)
    gradients(scaled)
    norm = torch.stack([p.grad.norm() for p in scaled.parameters() if p.grad is not None]).norm()
    assert norm > 0.5
    for parameter in scaled.parameters():
        assert parameter.grad is not None
        parameter.grad *= 0.5 / norm
    limited.step()
    plain.step()
    for ours, theirs in zip(clipped.parameters(), scaled.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


def test_smaller_gradients_are_left_alone() -> None:
    limited, free = network(), network()
    for model, limit in ((limited, 1e6), (free, None)):
        gradients(model)
        RecipeOptimizer(replace(named_recipe("paper"), max_gradient_norm=limit), model).step()
    assert all(torch.equal(a, b) for a, b in zip(limited.parameters(), free.parameters(), strict=True))


def test_weight_decay_leaves_out_norms_and_biases_where_the_recipe_says_so() -> None:
    for kind, decayed in (("weights", {"classifier.weight"}), ("all", None)):
        model = network()
        recipe = replace(named_recipe("quick"), decay_parameters=kind)
        sgd = RecipeOptimizer(recipe, model).stepped[0][0]
        decays = {id(p): group["weight_decay"] for group in sgd.param_groups for p in group["params"]}
        names = {name: decays[id(p)] for name, p in model.named_parameters() if id(p) in decays}
        assert {name for name, decay in names.items() if decay} == (decayed or set(names))


def test_muon_is_torchs_on_the_filter_banks_as_matrices() -> None:
    recipe, ours, theirs = named_recipe("quick"), network(), network()
    optimizer = RecipeOptimizer(recipe, ours)
    banks = {name: p for name, p in theirs.named_parameters() if p.ndim == 4}
    matrices = {name: nn.Parameter(p.detach().contiguous().flatten(1).clone()) for name, p in banks.items()}
    muon = torch.optim.Muon(
        matrices.values(),
        lr=recipe.muon_learning_rate,
        momentum=recipe.momentum,
        ns_steps=3,
        weight_decay=recipe.muon_weight_decay,
    )
    for fraction in (1.0, 0.5):
        gradients(ours)
        for name, p in ours.named_parameters():
            if name in matrices:
                assert p.grad is not None
                matrices[name].grad = p.grad.contiguous().flatten(1).clone()
        optimizer.set_learning_rate(recipe.learning_rate * fraction)
        optimizer.step()
        muon.param_groups[0]["lr"] = recipe.muon_learning_rate * fraction
        muon.step()
    for name, p in ours.named_parameters():
        if name in matrices:
            # bf16 inside Newton-Schulz; the columns are in another order, so sums round differently
            torch.testing.assert_close(p.contiguous().flatten(1), matrices[name], rtol=0.02, atol=4e-3)
