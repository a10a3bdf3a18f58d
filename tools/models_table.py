"""Write the table that `resunit models` reads, src/resunit/models/table.json: python -m tools.models_table"""

import json
from pathlib import Path

from resunit.io.atomic import write_atomically
from resunit.io.fields import to_json
from resunit.models.designs import DESIGNS
from resunit.models.registry import list_models, network_spec
from resunit.models.summary import count_multiply_adds, count_spec_parameters
from resunit.models.table import ModelRow

FILE = Path(__file__).parents[1] / "src" / "resunit" / "models" / "table.json"
WEIGHT_LAYERS = {"one-layer": 1, "basic": 2, "bottleneck": 3}  # of a unit's branch
WEIGHT_LAYERS_OUTSIDE_UNITS = 2  # The stem's convolution and the classifier.


def count_row(name: str) -> ModelRow:
    """Return the row of a network, its costs counted from its modules."""
    spec = network_spec(name)
    return ModelRow(
        model=name,
        depth=depth(name),
        parameters=count_spec_parameters(spec),
        multiply_adds=count_multiply_adds(spec, spec.image_size),
        image_size=spec.image_size,
        unit=spec.branch,
        design=spec.design,
    )


def depth(name: str) -> int:
    """Return the number of a network's weight layers."""
    spec = network_spec(name)
    return WEIGHT_LAYERS_OUTSIDE_UNITS + WEIGHT_LAYERS[spec.branch] * sum(spec.depths)


def designs() -> dict[str, list[str]]:
    """Return the names of the designs that ship with the package: the paper's, and later ones."""
    shipped = {name: design.of_the_paper for name, design in DESIGNS.items() if ":" not in name}
    return {
        "paper": [name for name, of_the_paper in shipped.items() if of_the_paper],
        "later": [name for name, of_the_paper in shipped.items() if not of_the_paper],
    }


if __name__ == "__main__":
    table = {
        "format": 1,
        "models": [to_json(count_row(name)) for name in list_models()],
        "designs": designs(),
    }
    write_atomically(FILE, (json.dumps(table, indent=1) + "\n").encode())
