"""The zoo as a table: what each network is and costs."""

from typing import Any

from rich.table import Table

from resunit.models.designs import DESIGNS
from resunit.models.registry import list_models, network_spec
from resunit.models.summary import multiply_adds, spec_parameters


def describe_models(pattern: str = "*") -> list[dict[str, Any]]:
    """One record for each network whose name matches: depth in weight layers, cost for one image."""
    records = []
    for name in list_models(pattern):
        spec = network_spec(name)
        layers = {"one-layer": 1, "basic": 2, "bottleneck": 3}[spec.branch]
        records.append(
            {
                "model": name,
                "depth": 2 + layers * sum(spec.depths),
                "parameters": spec_parameters(spec),
                "multiply_adds": multiply_adds(spec, spec.image_size),
                "image_size": spec.image_size,
                "unit": spec.branch,
                "design": spec.design,
            }
        )
    return records


def models_table(records: list[dict[str, Any]]) -> Table:
    table = Table("model", "depth", "parameters", "multiply-adds", "image", "unit", "design", box=None)
    for column in table.columns:
        column.no_wrap = True  # a name that is cut cannot be copied
    for column in table.columns[1:5]:
        column.justify = "right"
    for record in records:
        table.add_row(
            record["model"],
            str(record["depth"]),
            f"{record['parameters']:,}",
            f"{record['multiply_adds'] / 1e6:,.1f} M",
            str(record["image_size"]),
            record["unit"],
            record["design"],
        )
    return table


def designs_in_words() -> str:
    """The names that `design` takes, the paper's and the later ones."""
    paper = [name for name, design in DESIGNS.items() if design.of_the_paper]
    later = [name for name in DESIGNS if name not in paper]
    return f"designs (--design): {', '.join(paper)}; later than the paper: {', '.join(later)}"
