"""The networks and designs as records, read from a table that ships with the package.

Nothing here imports torch, so that the list is instant. `python -m tools.models_table` writes models/table.json
from the networks themselves, and the tests count all numbers anew.
"""

import fnmatch
import json
from dataclasses import dataclass
from importlib import resources
from typing import Any

from resunit.io.fields import from_json

FILE = "table.json"


@dataclass(frozen=True)
class ModelRow:
    """A network that `create_model` knows by name, with its size and its cost."""

    model: str
    depth: int
    """The number of weight layers."""
    parameters: int
    multiply_adds: int
    """The multiply-adds of convolutions and linear layers for one image, forward."""
    image_size: int
    """The side, in pixels, of that image."""
    unit: str
    """The kind of branch."""
    design: str


def describe_models(pattern: str = "*") -> list[ModelRow]:
    """Return the rows of the networks whose names match a shell pattern, in the order of `list_models`."""
    rows = [from_json(ModelRow, record) for record in _table()["models"]]
    return [row for row in rows if fnmatch.fnmatch(row.model, pattern)]


def design_names() -> tuple[list[str], list[str]]:
    """Return the names of the paper's designs, and of those later than the paper."""
    designs = _table()["designs"]
    return designs["paper"], designs["later"]


def _table() -> dict[str, Any]:
    return json.loads((resources.files("resunit.models") / FILE).read_text("utf-8"))
