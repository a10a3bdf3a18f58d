"""The optimizer of a recipe: SGD or AdamW for all parameters, or Muon for the convolutions and SGD for the rest."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_
from torch.optim import SGD, AdamW, Optimizer

from resunit.training.muon import Muon
from resunit.training.recipe import Recipe


class RecipeOptimizer:
    """An optimizer that updates every trainable parameter of a network as a recipe says.

    Learning rates are numbers on the device of the parameters, so that a step asks the host for none of them. On a
    CPU they are float64, elsewhere float32, which is what torch's fused kernels take there.

    Its state is a flat dictionary of tensors named by parameter, which checkpoints store as it is.
    """

    def __init__(self, recipe: Recipe, network: nn.Module):
        self.parameters = {name: p for name, p in network.named_parameters() if p.requires_grad}
        self.peak = recipe.learning_rate
        self.max_norm = recipe.max_gradient_norm
        uses_muon = recipe.optimizer == "muon"
        filters = {name: p for name, p in self.parameters.items() if uses_muon and p.ndim == 4}
        rest = {name: p for name, p in self.parameters.items() if name not in filters}
        self.stepped: list[tuple[Optimizer, dict[str, nn.Parameter]]] = [(_elementwise(recipe, rest), rest)]
        self.matrices = {name: nn.Parameter(view_as_matrix(bank.detach())) for name, bank in filters.items()}
        if filters:
            self.stepped.append((_muon(recipe, self.matrices), self.matrices))
        for optimizer, _ in self.stepped:
            for group in optimizer.param_groups:
                group["peak"] = group["lr"]
                device = group["params"][0].device if group["params"] else torch.device("cpu")
                dtype = torch.float64 if device.type == "cpu" else torch.float32
                group["lr"] = torch.tensor(group["peak"], dtype=dtype, device=device)

    def set_learning_rate(self, learning_rate: float) -> None:
        """Set the learning rate of the steps that follow; at first it is the recipe's peak.

        Args:
            learning_rate: SGD's or AdamW's rate; the classifier's and Muon's peaks are multiplied by the same fraction.
        """
        for optimizer, _ in self.stepped:
            for group in optimizer.param_groups:
                group["lr"].fill_(group["peak"] * learning_rate / self.peak)

    def step(self) -> None:
        """Apply the gradients and clear them."""
        if self.max_norm is not None:
            clip_grad_norm_(self.parameters.values(), self.max_norm)
        for name, matrix in self.matrices.items():
            gradient = self.parameters[name].grad
            matrix.grad = None if gradient is None else view_as_matrix(gradient)
        for optimizer, _ in self.stepped:
            optimizer.step()
        self.clear()

    def clear(self) -> None:
        """Clear the gradients."""
        for parameter in (*self.parameters.values(), *self.matrices.values()):
            parameter.grad = None

    def state(self) -> dict[str, Tensor]:
        """Return the tensors that the optimizers keep, such as momentum buffers, as `<parameter>.<kind>`."""
        return {
            f"{name}.{kind}": value
            for optimizer, named in self.stepped
            for name, parameter in named.items()
            for kind, value in optimizer.state[parameter].items()
        }

    def load_state(self, tensors: Mapping[str, Tensor]) -> None:
        """Set the state that `state` returned. Raises KeyError for a parameter that is not trained."""
        owners = {name: (optimizer, p) for optimizer, named in self.stepped for name, p in named.items()}
        for key, value in tensors.items():
            name, _, kind = key.rpartition(".")
            optimizer, parameter = owners[name]
            # AdamW counts its steps in a single number; all else has the shape and the layout of its parameter.
            like = parameter if value.shape == parameter.shape else value
            optimizer.state[parameter][kind] = torch.empty_like(like, device=parameter.device).copy_(value)


def _elementwise(recipe: Recipe, named: Mapping[str, nn.Parameter]) -> SGD | AdamW:
    """Return SGD or AdamW; parameters that differ in weight decay or learning rate are in groups of their own."""
    kinds = {
        name: (
            recipe.weight_decay if recipe.decay_parameters == "all" or p.ndim > 1 else 0.0,
            recipe.head_learning_rate or recipe.learning_rate if is_head(name) else recipe.learning_rate,
        )
        for name, p in named.items()
    }
    groups = [
        {
            "params": [p for name, p in named.items() if kinds[name] == kind],
            "weight_decay": kind[0],
            "lr": kind[1],
        }
        for kind in sorted(set(kinds.values()))
    ]
    if recipe.optimizer == "adamw":
        capturable = next(iter(named.values())).is_cuda
        betas = (recipe.momentum, 0.999)
        adamw = AdamW(groups, lr=recipe.learning_rate, betas=betas, fused=True, capturable=capturable)
        # torch would warn that steps can be captured and are not: the first ones never are.
        adamw._warned_capturable_if_run_uncaptured = True
        return adamw
    return SGD(
        groups, lr=recipe.learning_rate, momentum=recipe.momentum, nesterov=recipe.nesterov, fused=True
    )


def is_head(parameter: str) -> bool:
    """Return whether a parameter, by its name, is one of the classifier's."""
    return parameter.startswith("classifier.")


def _muon(recipe: Recipe, matrices: Mapping[str, nn.Parameter]) -> Muon:
    return Muon(
        matrices.values(),
        lr=recipe.muon_learning_rate,
        momentum=recipe.momentum,
        ns_steps=recipe.muon_steps,
        weight_decay=recipe.muon_weight_decay,
    )


def view_as_matrix(filters: Tensor) -> Tensor:
    """Return filters (C_out, C_in, k, k), channels last in memory, as a view (C_out, k k C_in).

    Muon does not depend on the order of the columns, so the result is the same as for (C_out, C_in k k).
    """
    return filters.permute(0, 2, 3, 1).flatten(1)
