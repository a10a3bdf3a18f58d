"""resunit: the deep residual networks of He et al. 2016, built, trained and dissected.

The names below are imported on first use, so that `import resunit` and `resunit --help` stay instant.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from resunit import designs, folding, propagation
    from resunit.names import UsageError
    from resunit.own_designs import add_design
    from resunit.training.loop import resume, train
    from resunit.training.recipe import Recipe, named_recipe
    from resunit.units import ResidualUnit
    from resunit.zoo import create_model, list_models

_HOMES = {
    "ResidualUnit": "resunit.units",
    "create_model": "resunit.zoo",
    "list_models": "resunit.zoo",
    "Recipe": "resunit.training.recipe",
    "named_recipe": "resunit.training.recipe",
    "UsageError": "resunit.names",
    "add_design": "resunit.own_designs",
    "resume": "resunit.training.loop",
    "train": "resunit.training.loop",
}
_ROOMS = ("designs", "folding", "propagation")  # for resunit.propagation.measure

__version__ = "0.1.0"
__all__ = [
    "Recipe",
    "ResidualUnit",
    "UsageError",
    "add_design",
    "create_model",
    "designs",
    "folding",
    "list_models",
    "named_recipe",
    "propagation",
    "resume",
    "train",
]


def __dir__() -> list[str]:
    return [*__all__, "__version__"]


def __getattr__(name: str) -> object:
    if name in _ROOMS:
        return importlib.import_module(f"resunit.{name}")
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'resunit' has no attribute {name!r}")
