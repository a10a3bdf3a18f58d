"""The network that a name on the command line asks to draw."""

import inspect
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from resunit.errors import UsageError, unknown
from resunit.models.custom import add_design
from resunit.models.design_source import is_own_design
from resunit.models.designs import DESIGNS, Design
from resunit.models.drawing.draw import NETWORK_OF_DESIGNS
from resunit.models.registry import NETWORKS, create_model
from resunit.models.user_code import failure, import_object

EXAMPLE = "MODULE:NAME, such as my_units:SqueezeShortcut"


def network_to_draw(name: str, design: str | None, options: Mapping[str, Any]) -> nn.Module:
    """Return the network whose units are drawn.

    Args:
        name: a network, a design, or MODULE:NAME. The last is a design as `add_design` takes it, or something that
            makes a network when it is called without arguments, or a network.
        design: the design of a named network; MODULE:CLASS is imported.
        options: those of the design and of the network, as `create_model` takes them.

    Raises:
        UsageError: something does not exist, or does not fit.
    """
    if ":" in name and not is_design(name):
        if design is not None or options:
            raise UsageError(f"{name}: --design and options of designs apply to a model's name, not to code")
        return _from_code(name)
    if name in NETWORKS:
        model = name
    elif ":" in name or name in DESIGNS:
        if design is not None:
            raise UsageError(f"{name} is a design; leave out --design {design}, or name a network")
        model, design = NETWORK_OF_DESIGNS, name
    else:
        raise unknown("model or design", name, [*NETWORKS, *DESIGNS])
    if is_own_design(design):
        add_design(design)
    return network_without_weights(model, design, options)


def network_without_weights(model: str, design: str | None, options: Mapping[str, Any]) -> nn.Module:
    """Return a network whose modules are looked at; only code of the user's own may need real weights."""
    with torch.random.fork_rng(devices=[]), torch.device("cpu" if is_own_design(design) else "meta"):
        return create_model(model, design=design, **options)


def is_design(name: str) -> bool:
    """Return whether MODULE:NAME is a design: an object of that class, or a shortcut's class, which needs channels."""
    found = import_object(name, EXAMPLE)
    if not inspect.isclass(found) or not issubclass(found, nn.Module):
        return isinstance(found, Design)
    variable = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    parameters = inspect.signature(found).parameters.values()
    return any(each.default is each.empty and each.kind not in variable for each in parameters)


def _from_code(name: str) -> nn.Module:
    found = import_object(name, EXAMPLE)
    if not isinstance(found, nn.Module) and callable(found):
        try:
            found = found()
        except Exception as error:  # The user's code may raise anything.
            raise failure(f"{name}()", error) from error
    if isinstance(found, tuple) and found:
        found = found[0]  # `resunit propagation` takes a network with its batch, so a picture takes it too.
    if not isinstance(found, nn.Module):
        raise UsageError(
            f"{name} is a {type(found).__name__}; it has to be a design, or return a torch.nn.Module"
        )
    return found
