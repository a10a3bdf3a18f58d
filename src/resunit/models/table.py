"""The networks and designs as plain records, read from a table that ships with the package.

Nothing here imports torch, so that the list is instant. `python -m tools.models_table` writes models/table.json
from the networks themselves, and the tests count all numbers anew.
"""

import fnmatch
import json
from importlib import resources
from typing import Any

FILE = "table.json"


def describe_models(pattern: str = "*") -> list[dict[str, Any]]:
    """Return one record for each network whose name matches a shell pattern.

    `depth` counts weight layers, `multiply_adds` are for one image of `image_size` pixels a side, and `unit` is
    the kind of branch.
    """
    return [record for record in _table()["models"] if fnmatch.fnmatch(record["model"], pattern)]


def design_names() -> tuple[list[str], list[str]]:
    """Return the names of the paper's designs, and of those later than the paper."""
    designs = _table()["designs"]
    return designs["paper"], designs["later"]


def _table() -> dict[str, Any]:
    return json.loads((resources.files("resunit.models") / FILE).read_text("utf-8"))
