"""The networks as plain records: what each one is, and what it costs."""

from typing import Any

from resunit.models.registry import list_models, network_spec
from resunit.models.summary import multiply_adds, spec_parameters

WEIGHT_LAYERS = {"one-layer": 1, "basic": 2, "bottleneck": 3}  # of a unit's branch
WEIGHT_LAYERS_OUTSIDE_UNITS = 2  # The stem's convolution and the classifier.


def describe_models(pattern: str = "*") -> list[dict[str, Any]]:
    """Return one record for each network whose name matches a shell pattern.

    `depth` counts weight layers, `multiply_adds` are for one image of `image_size` pixels a side, and `unit` is
    the kind of branch.
    """
    records = []
    for name in list_models(pattern):
        spec = network_spec(name)
        records.append(
            {
                "model": name,
                "depth": WEIGHT_LAYERS_OUTSIDE_UNITS + WEIGHT_LAYERS[spec.branch] * sum(spec.depths),
                "parameters": spec_parameters(spec),
                "multiply_adds": multiply_adds(spec, spec.image_size),
                "image_size": spec.image_size,
                "unit": spec.branch,
                "design": spec.design,
            }
        )
    return records
