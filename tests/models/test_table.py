"""The table that ships with the package, against the networks themselves."""

import subprocess
import sys

import pytest

from resunit.models.registry import list_models, network_spec
from resunit.models.table import describe_models, design_names
from tools.models_table import count_row, depth, designs

# The rest of the networks takes minutes to count.
QUICKLY_COUNTED = [
    "resnet20",
    "preresnet164",
    "resnet110-1layer",
    "preresnet10-quick",
    "resnet18",
    "resnet50",
]


def test_all_networks_and_designs_stand_in_the_table() -> None:
    assert [row.model for row in describe_models()] == list_models()
    assert design_names() == tuple(designs().values())


def test_depth_unit_and_design_are_those_of_the_networks() -> None:
    for row in describe_models():
        spec = network_spec(row.model)
        assert row.depth == depth(row.model)
        assert (row.image_size, row.unit, row.design) == (spec.image_size, spec.branch, spec.design)


@pytest.mark.parametrize("name", QUICKLY_COUNTED)
def test_the_costs_are_counted_anew(name: str) -> None:
    assert describe_models(name) == [count_row(name)]


@pytest.mark.full
@pytest.mark.parametrize("name", [name for name in list_models() if name not in QUICKLY_COUNTED])
def test_all_costs_are_counted_anew(name: str) -> None:
    assert describe_models(name) == [count_row(name)]


def test_costs_follow_from_formulas() -> None:
    """A stem, 9 units of two 3x3 convolutions and a classifier, with the gamma and beta of each batch norm."""
    (row,) = describe_models("resnet20")
    widths = [16, 32, 64]
    convolutions, products, channels, side = 27 * 16, 27 * 16 * 32**2, 16, 32
    norms = 2 * 16
    for width in widths:
        side = side if width == 16 else side // 2
        for number in range(6):
            taken = channels if number == 0 else width
            convolutions += 9 * taken * width
            products += 9 * taken * width * side**2
            norms += 2 * width
        channels = width
    assert row.parameters == convolutions + norms + 64 * 10 + 10
    assert row.multiply_adds == products + 64 * 10


@pytest.mark.parametrize("arguments", [["models"], ["models", "pre*", "--json"]])
def test_the_list_imports_no_torch(arguments: list[str]) -> None:
    code = f"import sys; from resunit.cli import main; main({arguments!r}); sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
