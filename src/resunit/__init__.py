"""resunit: the deep residual networks of He et al. 2016, built, trained and dissected.

The names below are imported on first use, so that `import resunit` loads no torch.
"""

import importlib
import random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from resunit import data, errors, inference, models, propagation
    from resunit.errors import (
        DataError,
        FileFormatError,
        PropagationError,
        ResunitError,
        RunError,
        UsageError,
    )
    from resunit.inference.classifier import load
    from resunit.models.custom import add_design
    from resunit.models.drawing import draw
    from resunit.models.registry import create_model, list_models
    from resunit.models.residual_unit import ResidualUnit
    from resunit.training.loop import resume, train
    from resunit.training.recipe import Recipe
    from resunit.training.recipes import named_recipe

__version__ = "0.1.0"

_MODULE_OF = {
    "DataError": "resunit.errors",
    "FileFormatError": "resunit.errors",
    "PropagationError": "resunit.errors",
    "Recipe": "resunit.training.recipe",
    "ResidualUnit": "resunit.models.residual_unit",
    "ResunitError": "resunit.errors",
    "RunError": "resunit.errors",
    "UsageError": "resunit.errors",
    "add_design": "resunit.models.custom",
    "create_model": "resunit.models.registry",
    "draw": "resunit.models.drawing",
    "list_models": "resunit.models.registry",
    "load": "resunit.inference.classifier",
    "named_recipe": "resunit.training.recipes",
    "resume": "resunit.training.loop",
    "train": "resunit.training.loop",
}
_SUBPACKAGES = ("data", "errors", "inference", "models", "propagation")

__all__ = [
    "DataError",
    "FileFormatError",
    "PropagationError",
    "Recipe",
    "ResidualUnit",
    "ResunitError",
    "RunError",
    "UsageError",
    "add_design",
    "create_model",
    "data",
    "draw",
    "errors",
    "inference",
    "list_models",
    "load",
    "models",
    "named_recipe",
    "propagation",
    "resume",
    "train",
]


def __dir__() -> list[str]:
    return [*__all__, "__version__"]


def __getattr__(name: str) -> object:
    if name in _SUBPACKAGES:
        return _import_module(f"resunit.{name}")
    if name in _MODULE_OF:
        return getattr(_import_module(_MODULE_OF[name]), name)
    raise AttributeError(f"module 'resunit' has no attribute {name!r}")


def _import_module(name: str) -> object:
    # Importing rich draws from Python's random numbers, which belong to the program that imports resunit.
    drawn = random.getstate()
    try:
        return importlib.import_module(name)
    finally:
        random.setstate(drawn)
