"""resunit: the deep residual networks of He et al. 2016, built, trained and dissected.

The names below are imported on first use, so that `import resunit` and `resunit --help` stay instant.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from resunit.own_designs import add_design
    from resunit.training.loop import train
    from resunit.training.recipe import Recipe, named_recipe
    from resunit.units import ResidualUnit
    from resunit.zoo import create_model, list_models

_HOMES = {
    "ResidualUnit": "resunit.units",
    "create_model": "resunit.zoo",
    "list_models": "resunit.zoo",
    "Recipe": "resunit.training.recipe",
    "named_recipe": "resunit.training.recipe",
    "add_design": "resunit.own_designs",
    "train": "resunit.training.loop",
}

__version__ = "0.1.0"
__all__ = ["Recipe", "ResidualUnit", "add_design", "create_model", "list_models", "named_recipe", "train"]


def __dir__() -> list[str]:
    return [*__all__, "__version__"]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'resunit' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
