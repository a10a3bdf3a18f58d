"""Designs of the user's own: a class in the user's file becomes a row beside the paper's."""

import inspect
from collections.abc import Callable

import torch
from torch import nn

from resunit.errors import UsageError
from resunit.models.designs import DESIGNS, Design, UnitParts
from resunit.models.residual_unit import ORIGINAL
from resunit.models.user_code import failure, import_object

EXAMPLE = "MODULE:CLASS, such as my_units:SqueezeShortcut"
OPTION_TYPES = (bool, int, float, str)


def add_design(name: str) -> Design:
    """Add a design of your own, which `create_model` and training then know by its name MODULE:CLASS.

    CLASS is one of two things. A `torch.nn.Module` class becomes the shortcut h of the original unit: it is made
    as CLASS(channels, **options), maps (N, channels, H, W) to the same shape, and acts after the size change. Its
    options are keyword arguments with defaults. A `resunit.models.designs.Design` has a placement of its own or
    a unit of its own.

    The module is imported, which runs its code, so name only code that you trust. Weights files and recipes
    never import code by themselves.

    Raises:
        UsageError: the name does not exist, does not import, or cannot be such a design.
    """
    if name not in DESIGNS:
        found = import_object(name, EXAMPLE)
        if inspect.isclass(found) and issubclass(found, nn.Module):
            DESIGNS[name] = _shortcut_design(name, found)
        elif isinstance(found, Design):
            DESIGNS[name] = found
        else:
            raise UsageError(f"{name} is neither a torch.nn.Module class nor a resunit.models.designs.Design")
    return DESIGNS[name]


def _shortcut_design(name: str, shortcut: Callable[..., nn.Module]) -> Design:
    """Return the design of a shortcut class, which is called once so that mistakes show at once."""
    parameters = list(inspect.signature(shortcut).parameters.values())
    if not parameters or parameters[0].default is not inspect.Parameter.empty:
        raise UsageError(f"{name}: its first argument must be the number of channels and have no default")
    options = parameters[1:]
    for option in options:
        if type(option.default) not in OPTION_TYPES:
            raise UsageError(
                f"{name}: option {option.name!r} needs a default that is a number, text or boolean"
            )
    _try(name, shortcut)

    def join(parts: UnitParts, **given: object) -> nn.Module:
        return parts.unit(shortcut=shortcut(parts.out_channels, **given))

    parts = inspect.Parameter("parts", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    keywords = [option.replace(kind=inspect.Parameter.KEYWORD_ONLY) for option in options]
    join.__signature__ = inspect.Signature([parts, *keywords])  # where `Design.options` looks
    return Design(ORIGINAL, join, of_the_paper=False)


def _try(name: str, shortcut: Callable[..., nn.Module]) -> None:
    x = torch.zeros(2, 16, 8, 8)
    try:
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            y = shortcut(16)(x)
    except Exception as error:  # The user's code may raise anything.
        raise failure(f"{name} on a tensor of {tuple(x.shape)}", error) from error
    if not isinstance(y, torch.Tensor) or y.shape != x.shape:
        shape = tuple(y.shape) if isinstance(y, torch.Tensor) else type(y).__name__
        raise UsageError(f"{name}: a shortcut keeps the shape {tuple(x.shape)}, and this gives {shape}")
