"""How a network's parameters step: SGD for all, or Muon for the convolutions and SGD for the rest."""

import torch
from torch import Tensor, nn
from torch.optim import SGD, Muon, Optimizer

from resunit.training.recipe import Recipe


class RecipeOptimizer:
    """Steps every trainable parameter of `network` as `recipe` says.

    Its state is a flat dictionary of tensors named by parameter, which checkpoints store as it is.
    """

    def __init__(self, recipe: Recipe, network: nn.Module):
        self.parameters = {name: p for name, p in network.named_parameters() if p.requires_grad}
        self.peak = recipe.learning_rate
        banks = (
            {name: p for name, p in self.parameters.items() if p.ndim == 4}
            if recipe.optimizer == "muon"
            else {}
        )
        rest = {name: p for name, p in self.parameters.items() if name not in banks}
        decays = {name: recipe.decay_parameters == "all" or p.ndim > 1 for name, p in rest.items()}
        groups = [
            {
                "params": [p for name, p in rest.items() if decays[name] == decay],
                "weight_decay": recipe.weight_decay if decay else 0.0,
            }
            for decay in sorted(set(decays.values()))
        ]
        sgd = SGD(
            groups,
            lr=recipe.learning_rate,
            momentum=recipe.momentum,
            nesterov=recipe.nesterov,
            fused=True,
        )
        self.stepped: list[tuple[Optimizer, dict[str, nn.Parameter]]] = [(sgd, rest)]
        self.matrices: dict[str, nn.Parameter] = {}
        if banks:
            self.matrices = {name: nn.Parameter(as_matrix(bank.detach())) for name, bank in banks.items()}
            muon = Muon(
                self.matrices.values(),
                lr=recipe.muon_learning_rate,
                momentum=recipe.momentum,
                ns_steps=recipe.muon_steps,
                weight_decay=recipe.muon_weight_decay,
            )
            self.stepped.append((muon, self.matrices))
        for optimizer, _ in self.stepped:
            for group in optimizer.param_groups:
                group["peak"] = group["lr"]

    def step(self, learning_rate: float) -> None:
        """Apply the gradients and clear them; every group's rate is its peak times the same fraction."""
        for name, matrix in self.matrices.items():
            gradient = self.parameters[name].grad
            matrix.grad = None if gradient is None else as_matrix(gradient)
        for optimizer, _ in self.stepped:
            for group in optimizer.param_groups:
                group["lr"] = group["peak"] * learning_rate / self.peak
            optimizer.step()
        for parameter in self.parameters.values():
            parameter.grad = None

    def state(self) -> dict[str, Tensor]:
        """Momentum and the like, as `<parameter>.<kind>`."""
        return {
            f"{name}.{kind}": value
            for optimizer, named in self.stepped
            for name, parameter in named.items()
            for kind, value in optimizer.state[parameter].items()
        }

    def load_state(self, tensors: dict[str, Tensor]) -> None:
        """The inverse of `state`."""
        owners = {name: (optimizer, p) for optimizer, named in self.stepped for name, p in named.items()}
        for key, value in tensors.items():
            name, _, kind = key.rpartition(".")
            optimizer, parameter = owners[name]
            optimizer.state[parameter][kind] = torch.empty_like(parameter).copy_(value)


def as_matrix(bank: Tensor) -> Tensor:
    """A filter bank (C_out, C_in, k, k) in channels-last memory as a (C_out, k k C_in) view of it.

    Muon is blind to the order of the columns, so this is the usual (C_out, C_in k k) to it.
    """
    return bank.permute(0, 2, 3, 1).flatten(1)
