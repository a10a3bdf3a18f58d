"""A network that Python code gives to a run, in the place of one that a recipe names."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, replace

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.flop_counter import FlopCounterMode

from resunit.errors import UsageError, reason_of
from resunit.training.process_state import isolated_random_numbers
from resunit.training.recipe import Recipe

DESIGN_OF_OWN = "own network"


@dataclass(frozen=True, eq=False)
class OwnNetwork:
    """A module that maps images (N, 3, H, W) to logits (N, classes)."""

    module: nn.Module

    @property
    def name(self) -> str:
        """The name of the module's class, with the Python module that defines it."""
        kind = type(self.module)
        return f"{kind.__module__}.{kind.__qualname__}"

    def recipe_for(self, recipe: Recipe) -> Recipe:
        """Return `recipe` with the module in the place of the network that it names.

        Raises:
            UsageError: the recipe has fields that apply to resunit's own networks alone.
        """
        refused = [name for name in ("weights", "freeze") if getattr(recipe, name)]
        refused += ["activation_checkpointing"] if recipe.activation_checkpointing == "small" else []
        parts = {name.partition(".")[0] for name, _ in self.module.named_parameters()}
        refused += ["head_learning_rate"] if recipe.head_learning_rate and "classifier" not in parts else []
        if refused:
            raise UsageError(
                f"{refused[0]} does not apply to a network that is given as model=; leave it out"
            )
        return replace(
            recipe, model=self.name, design=None, model_options={}, activation_checkpointing="fast"
        )

    def check(self, side: int, classes: int) -> None:
        """Raise UsageError if the module does not give `classes` logits for images of `side` pixels."""
        if not any(parameter.requires_grad for parameter in self.module.parameters()):
            raise UsageError("model has nothing to train: no parameter of it requires a gradient")
        tensors = [tensor for tensor in self.module.state_dict().values() if tensor.numel()]
        if len({tensor.untyped_storage().data_ptr() for tensor in tensors}) < len(tensors):
            raise UsageError(
                "model has weights under two names, which its file cannot hold; clone one of them"
            )
        with torch.inference_mode(), isolated_random_numbers():
            module = deepcopy(self.module).eval()
            images = next(module.parameters()).new_zeros(2, 3, side, side)
            try:
                logits = module(images)
            except (RuntimeError, ValueError, TypeError) as error:
                reason = reason_of(error)
                raise UsageError(f"model cannot compute images of {side} pixels: {reason}") from error
        shape = tuple(getattr(logits, "shape", ()))
        if shape != (2, classes):
            raise UsageError(
                f"model gives {shape or type(logits).__name__} for 2 images; it must give logits (2, {classes})"
            )

    def count_training_flops(self, sides: Iterable[int]) -> dict[int, int]:
        """Return the floating-point operations to train on one image, by its side in pixels."""
        return {side: self._count(side, trains=True) for side in sides}

    def count_multiply_adds(self, side: int) -> int:
        """Return the multiply-adds of one evaluated image of `side` pixels."""
        return self._count(side, trains=False) // 2

    def _count(self, side: int, trains: bool) -> int:
        with isolated_random_numbers():
            module = deepcopy(self.module).train(trains)
            images = next(module.parameters()).new_zeros(2, 3, side, side)
            with torch.set_grad_enabled(trains), FlopCounterMode(display=False) as counter:
                logits = module(images)
                if trains:
                    logits.sum().backward()
            return counter.get_total_flops() // len(images)


@contextmanager
def keeping_settings(module: nn.Module | None) -> Iterator[None]:
    """Restore the settings of a module at the end: the modes of its parts, momenta, and what requires a gradient."""
    if module is None:
        yield
        return
    modes = [(part, part.training) for part in module.modules()]
    momenta = [(part, part.momentum) for part in module.modules() if isinstance(part, _BatchNorm)]
    gradients = [(parameter, parameter.requires_grad) for parameter in module.parameters()]
    try:
        yield
    finally:
        for part, mode in modes:
            part.training = mode
        for part, momentum in momenta:
            part.momentum = momentum
        for parameter, requires_grad in gradients:
            parameter.requires_grad_(requires_grad)
