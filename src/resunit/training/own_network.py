"""A network that Python code gives to a run, in the place of one that a recipe names."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, replace

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.parameter import is_lazy
from torch.utils.flop_counter import FlopCounterMode

from resunit.errors import UsageError, reason_of
from resunit.training.precision import autocast, dtype_of_weights
from resunit.training.process_state import isolated_random_numbers
from resunit.training.recipe import Recipe

DESIGN_OF_OWN = "own network"


@dataclass(frozen=True, eq=False)
class OwnNetwork:
    """A module that maps images (N, 3, H, W) to logits (N, classes)."""

    module: nn.Module

    def __post_init__(self) -> None:
        """Raise UsageError for what no run can train, whatever its images are."""
        if not isinstance(self.module, nn.Module):
            given = self.module if isinstance(self.module, type) else type(self.module)
            raise UsageError(f"model must be a torch.nn.Module that was built, not {given.__qualname__}")
        for name, tensor in self.module.state_dict(keep_vars=True).items():
            if problem := _problem(tensor):
                raise UsageError(f"model has {name}, which {problem}")

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

    def check(self, side: int, classes: int, precision: str, training_sides: Iterable[int] = ()) -> None:
        """Check that the module gives logits for the images of a run, and that training can change it.

        Args:
            side: the side in pixels of the images that it is evaluated on.
            classes: the number of logits.
            precision: the arithmetic of the run, "bf16", "tf32", "fp32" or "fp64".
            training_sides: the sides of the images that it trains on.

        Raises:
            UsageError: its tensors are of another type than the run's, two of its tensors share memory, or it does
                not give logits (N, classes) with a gradient.
        """
        if not any(parameter.requires_grad for parameter in self.module.parameters()):
            raise UsageError("model has nothing to train: no parameter of it requires a gradient")
        tensors = [tensor for tensor in self.module.state_dict().values() if tensor.numel()]
        if len({tensor.untyped_storage().data_ptr() for tensor in tensors}) < len(tensors):
            raise UsageError(
                "model has weights under two names, which its file cannot hold; clone one of them"
            )
        for name, parameter in self.module.named_parameters():
            if parameter.dtype not in (torch.float32, dtype_of_weights(precision)):
                other = str(parameter.dtype).removeprefix("torch.")
                remedy = "call model.float() first"
                if parameter.dtype == torch.float64:
                    remedy += ", or give precision fp64"
                elif not parameter.is_floating_point():
                    remedy = "take another parameter"
                raise UsageError(
                    f"model has the parameter {name} in {other}, and runs train in float32; {remedy}"
                )
        self._check_logits(side, classes, precision, trains=False)
        for pixels in sorted(training_sides, reverse=True):
            remedy = (
                ""
                if pixels == side
                else "; give resize_scales=() and resize_ends=() to keep images as they are"
            )
            self._check_logits(pixels, classes, precision, trains=True, remedy=remedy)

    def _check_logits(
        self, side: int, classes: int, precision: str, *, trains: bool, remedy: str = ""
    ) -> None:
        mode = "training" if trains else "evaluation"
        try:
            module = deepcopy(self.module).train(trains)
        except Exception as error:  # A module may hold anything, such as a file or a lock.
            raise UsageError(f"model cannot be copied, as a run needs it: {reason_of(error)}") from error
        example = next(module.parameters())
        images = example.new_zeros(2, 3, side, side)
        with isolated_random_numbers(), torch.set_grad_enabled(trains):
            try:
                with autocast(example.device, precision):
                    logits = module(images)
            except Exception as error:  # The module is the user's own code.
                raise UsageError(
                    f"model cannot compute images of {side} pixels in {mode} mode: {reason_of(error)}{remedy}"
                ) from error
            shape = tuple(logits.shape) if isinstance(logits, torch.Tensor) else ()
            if shape != (2, classes):
                raise UsageError(
                    f"model gives {shape or type(logits).__name__} for 2 images in {mode} mode; it must give logits "
                    f"(2, {classes})"
                )
            if not trains:
                return
            if not logits.requires_grad:
                raise UsageError(
                    "model gives logits without a gradient; compute them without detach() and no_grad()"
                )
            try:
                logits.float().sum().backward()
            except Exception as error:
                raise UsageError(f"model has no backward pass: {reason_of(error)}") from error

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


def _problem(tensor: object) -> str:
    """Return why a value of a state dict cannot be trained or stored, or an empty text."""
    if not isinstance(tensor, torch.Tensor):
        return f"is a {type(tensor).__name__} and no tensor; leave it out of the state dict"
    if is_lazy(tensor):
        return "has no shape yet; call the module on two images first"
    if tensor.is_meta:
        return "is on the device meta and has no numbers; build the module on the CPU"
    if tensor.is_inference():
        return "was made in inference mode, which allows no gradient; build the module outside of it"
    return ""


@contextmanager
def keeping_settings(module: nn.Module | None) -> Iterator[None]:
    """Restore the settings of a module at the end: the modes of its parts, momenta, and what requires a gradient.

    Raises:
        UsageError: no run can train the module.
    """
    if module is None:
        yield
        return
    OwnNetwork(module)
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
