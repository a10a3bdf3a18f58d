"""The paper's tables and figures: the rows that stand beside each other."""

from dataclasses import dataclass

from resunit.reproduction.paper.rows import (
    ACTIVATIONS,
    DEPTHS,
    DESIGNS_OF_THE_PAPER,
    FEW_UNITS,
    IMAGENET,
    LATER_DESIGNS,
    LATER_REFERENCES,
    SHORTCUTS,
    STATE_OF_THE_ART,
    Row,
)


@dataclass(frozen=True)
class Panel:
    """One pair of axes of a figure.

    Attributes:
        rows: the ids of the rows whose curves are drawn.
    """

    title: str
    rows: tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """Rows that stand beside each other.

    Attributes:
        panels: the panels of a figure; a table has none.
    """

    title: str
    rows: tuple[Row, ...]
    panels: tuple[Panel, ...] = ()


def _figure(title: str, source: tuple[Row, ...], *panels: Panel) -> Table:
    """Return a figure with those rows of a table that its panels draw."""
    ids = dict.fromkeys(name for panel in panels for name in panel.rows)
    return Table(title, tuple(next(row for row in source if row.id == name) for name in ids), panels)


TABLES: dict[str, Table] = {
    "table1": Table("Table 1: shortcuts, ResNet-110 on CIFAR-10", SHORTCUTS),
    "table2": Table("Table 2: placements of activation on CIFAR-10", ACTIVATIONS),
    "table3": Table("Table 3: original and pre-activation units by depth", DEPTHS),
    "table4": Table("Table 4: beside other methods", STATE_OF_THE_ART),
    "table5": Table("Table 5: ImageNet, top-1 / top-5 error", IMAGENET),
    "figure1": _figure(
        "Figure 1: training curves of ResNet-1001",
        DEPTHS,
        Panel("ResNet-1001", ("1001-original", "1001-preactivation")),
    ),
    "figure3": _figure(
        "Figure 3: training curves of shortcuts, ResNet-110",
        SHORTCUTS,
        Panel("(a) scaling 0.5, 0.5", ("original", "scaling-0.5-0.5")),
        Panel("(b) exclusive gating, bias -6", ("original", "exclusive-gating-6")),
        Panel("(c) shortcut-only gating, bias 0", ("original", "shortcut-only-gating-0")),
        Panel("(d) 1x1 convolution", ("original", "conv-shortcut")),
    ),
    "figure6": _figure(
        "Figure 6: training curves of placements",
        ACTIVATIONS,
        Panel("BN after addition, ResNet-110", ("110-original", "110-bn-after-addition")),
        Panel("pre-activation, ResNet-164", ("164-original", "164-full-preactivation")),
    ),
    "signal": Table("The signal in the paper's designs, ResNet-110 on CIFAR-10", DESIGNS_OF_THE_PAPER),
    "later": Table("Later designs, ResNet-110 on CIFAR-10", (*LATER_REFERENCES, *LATER_DESIGNS)),
    "claims": Table(
        "The paper's claims",
        tuple(
            {row.own_network.key: row for row in (*SHORTCUTS, *ACTIVATIONS, *DEPTHS, *FEW_UNITS)
             if row.data == "cifar10"}.values()
        ),
    ),
}  # fmt: skip

RECIPE_OF_ROW = {row.id: row.recipe for table in TABLES.values() for row in table.rows}
