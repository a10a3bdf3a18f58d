"""docs/propagation.md shows what is asserted of the networks."""

from pathlib import Path

from networks import DESIGN_KINDS, NETWORKS

DOCUMENT = (Path(__file__).parents[2] / "docs" / "propagation.md").read_text()
KINDS = ("identity", "scale", "gate", "projection", "operations")


def test_each_network_has_its_row() -> None:
    expected = [(network.library, network.name, network.kinds) for network in NETWORKS]
    expected += [("resunit", f"resnet20, {design}", kinds) for design, kinds in DESIGN_KINDS.items()]
    for library, name, kinds in expected:
        counts = " | ".join(str(kinds.get(kind, "")) for kind in KINDS)
        assert f"| {library} | {name} | {sum(kinds.values())} | {counts} |" in DOCUMENT
    table = DOCUMENT.split("<!-- table: networks -->")[1].split("<!-- end -->")[0]
    assert len(table.strip().splitlines()) == len(expected) + 2
