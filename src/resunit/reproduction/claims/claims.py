"""The paper's claims, each with the contrasts that runs can decide. Directions were fixed before any run.

A contrast says which combination of means has to be above zero. Tests are two-sided, so that the opposite
can be found as well.
"""

from dataclasses import dataclass

from resunit.reproduction.claims.quantities import (
    EARLY_LOSS,
    FIRST_TRUNCATION,
    GROWTH,
    LAST_TRUNCATION,
    TEST_ERROR,
    TRAIN_LOSS,
    Quantity,
)
from resunit.reproduction.networks import NetworkChoice, network
from resunit.reproduction.rows import SHORTCUTS


@dataclass(frozen=True)
class WeightedMean:
    """A coefficient times the mean of a quantity over the seeds of a network."""

    coefficient: float
    network: NetworkChoice
    quantity: Quantity = TEST_ERROR


@dataclass(frozen=True)
class Contrast:
    """The statement that a sum is above zero.

    Attributes:
        description: the sum in words.
        terms: what is summed.
        distance: whether each pair of terms, a difference, counts without its sign.
    """

    description: str
    terms: tuple[WeightedMean, ...]
    distance: bool = False


@dataclass(frozen=True)
class Claim:
    """A claim of the paper. It holds if every contrast does, on runs of `data`.

    Attributes:
        id: a short name.
        statement: the claim as a sentence.
        source: where the paper says it.
        contrasts: the contrasts that have to hold.
        table: the name of the table whose runs decide the claim.
        stuck: networks that must end at chance, or diverge, in every seed as well.
        learns: networks that must do better than chance in every seed as well.
        where: networks without whose learning, in every seed, nothing is decided.
        reported: contrasts that are shown and do not count.
        apart: whether the networks of each model have a setting of their own.
        remark: what qualifies every verdict.
        data: the data set.
    """

    id: str
    statement: str
    source: str
    contrasts: tuple[Contrast, ...]
    table: str
    stuck: tuple[NetworkChoice, ...] = ()
    learns: tuple[NetworkChoice, ...] = ()
    where: tuple[NetworkChoice, ...] = ()
    reported: tuple[Contrast, ...] = ()
    apart: bool = False
    remark: str = ""
    data: str = "cifar10"

    @property
    def networks(self) -> list[NetworkChoice]:
        """The networks of all contrasts, each once."""
        contrasts = (*self.contrasts, *self.reported)
        found = [term.network for contrast in contrasts for term in contrast.terms]
        return list({network.key: network for network in found}.values())

    @property
    def sides(self) -> dict[str, list[NetworkChoice]]:
        """The networks that share a setting: by model if the claim has them apart, else all under ""."""
        sides: dict[str, list[NetworkChoice]] = {}
        for each in self.networks:
            sides.setdefault(each.model if self.apart else "", []).append(each)
        return sides


def higher(above: NetworkChoice, below: NetworkChoice, quantity: Quantity = TEST_ERROR) -> Contrast:
    """Return the contrast that `quantity` is higher in the network `above` than in the network `below`."""
    description = f"{quantity.name}, {describe_network(above)} minus {describe_network(below)}"
    return Contrast(description, (WeightedMean(1, above, quantity), WeightedMean(-1, below, quantity)))


def describe_network(network: NetworkChoice) -> str:
    """Return a network's name in claims: model, design, and the numbers that tell rows of a table apart."""
    options = ", ".join(f"{name} {value:g}" for name, value in network.options.items()
                        if isinstance(value, float) and network.design != "dropout-shortcut")  # fmt: skip
    return f"{network.model} {network.design}" + (f" ({options})" if options else "")


ORIGINAL = network("resnet110")
CONV = network("resnet110", "conv-shortcut")
FEW, FEW_CONV = network("resnet20"), network("resnet20", "conv-shortcut")
HALVES = network("resnet110", "constant-scaling", shortcut_scale=0.5, branch_scale=0.5)
ROW = {row.id: row for row in SHORTCUTS}
GATING_0, GATING_6 = (network("resnet110", "exclusive-gating", gate_bias=bias) for bias in (0.0, -6.0))
HALF_GATING_0, HALF_GATING_6 = (
    network("resnet110", "shortcut-only-gating", gate_bias=bias) for bias in (0.0, -6.0)
)
PLACEMENTS = ("original", "bn-after-addition", "relu-before-addition", "relu-only-preactivation")


def _identity_beats(row: str) -> Claim:
    """Return the claim that the identity has a lower test error than a row of Table 1."""
    shortcut = ROW[row].network
    assert shortcut is not None
    return Claim(
        f"identity-beats-{row}",
        f"the identity shortcut is better than {ROW[row].label}",
        "Table 1",
        (higher(shortcut, ORIGINAL),),
        "table1",
    )


def _does_not_converge(row: str) -> Claim:
    """Return the claim that a row of Table 1 ends at chance where the identity learns."""
    shortcut = ROW[row].network
    assert shortcut is not None
    return Claim(
        f"{row}-does-not-converge",
        f"{ROW[row].label} does not converge where the identity does",
        "Table 1, section 3.1",
        (higher(shortcut, ORIGINAL),),
        "table1",
        stuck=(shortcut,),
        where=(ORIGINAL,),
    )


def _best_placement(model: str) -> Claim:
    """Return the claim that full pre-activation has the lowest test error of Table 2."""
    best = network(model, "full-preactivation")
    return Claim(
        f"full-preactivation-is-best-{model}",
        f"full pre-activation is the best placement of Table 2 ({model})",
        "Table 2",
        tuple(higher(network(model, placement), best) for placement in PLACEMENTS),
        "table2",
    )


def _gain_grows(shallow: str, deep: str) -> Claim:
    """Return the claim that pre-activation lowers the test error more in the deeper network."""
    terms = (
        WeightedMean(1, network(deep)),
        WeightedMean(-1, network(deep, "full-preactivation")),
        WeightedMean(-1, network(shallow)),
        WeightedMean(1, network(shallow, "full-preactivation")),
    )
    description = f"test error, gain of pre-activation at {deep} minus that at {shallow}"
    return Claim(
        f"gain-grows-{shallow}-{deep}",
        f"the gain of pre-activation is larger in {deep} than in {shallow}",
        "Table 3",
        (Contrast(description, terms),),
        "table3",
        # 1001 layers may train in fp32 where 164 do in bf16; gains are compared, and not errors.
        apart=True,
    )


def _regularises(model: str) -> Claim:
    """Return the claim that pre-activation has a higher training loss and a lower test error."""
    original, preactivation = network(model), network(model, "full-preactivation")
    return Claim(
        f"preactivation-regularises-{model}",
        f"pre-activation ends with a higher training loss and a lower test error ({model})",
        "Section 4.2, Fig. 6 (right)",
        (higher(preactivation, original, TRAIN_LOSS), higher(original, preactivation)),
        "table2",
        remark="it needs training to the end: the paper's run is 64,000 steps",
    )


CLAIMS: tuple[Claim, ...] = (
    *(_identity_beats(row.id) for row in SHORTCUTS[1:]),
    *(_does_not_converge(row) for row in ("plain", "scaling-0.5-1", "dropout-shortcut")),
    Claim(
        "scaling-converges-badly",
        "scaling both by 0.5 converges, and to a higher training loss than the identity",
        "Section 3.1, Fig. 3 (a)",
        (higher(HALVES, ORIGINAL, TRAIN_LOSS),),
        "table1",
        learns=(HALVES,),
    ),
    Claim(
        "exclusive-gating-depends-on-bias",
        "exclusive gating depends on the initial bias: 0 is worse than -6",
        "Section 3.1",
        (higher(GATING_0, GATING_6),),
        "table1",
    ),
    Claim(
        "shortcut-only-gating-approaches-identity",
        "shortcut-only gating comes closer to the identity as its bias falls from 0 to -6",
        "Section 3.1",
        # The claim is about closeness, so that the distance to the original counts, in either direction.
        (Contrast(
            "test error, distance from the original at bias 0 minus that at bias -6",
            (
                WeightedMean(1, HALF_GATING_0), WeightedMean(-1, ORIGINAL),
                WeightedMean(-1, HALF_GATING_6), WeightedMean(1, ORIGINAL),
            ),
            distance=True,
        ),),
        "table1",
    ),
    Claim(
        "conv-shortcut-hurts-with-many-units",
        "1x1 shortcuts hurt more with many units (ResNet-110) than with few (ResNet-20)",
        "Section 3.1",
        (Contrast(
            "test error, what 1x1 shortcuts add to resnet110 minus what they add to resnet20",
            (WeightedMean(1, CONV), WeightedMean(-1, ORIGINAL), WeightedMean(-1, FEW_CONV), WeightedMean(1, FEW)),
        ),),
        "claims",
        reported=(higher(CONV, ORIGINAL), higher(FEW_CONV, FEW)),
    ),
    _best_placement("resnet110"),
    _best_placement("resnet164"),
    Claim(
        "bn-after-addition-slows",
        "BN after addition slows the early fall of the training loss",
        "Section 4.1, Fig. 6 (left)",
        (higher(network("resnet110", "bn-after-addition"), ORIGINAL, EARLY_LOSS),),
        "table2",
    ),
    Claim(
        "relu-before-addition-grows",
        "ReLU before addition makes the forward signal grow with depth, more than the original does",
        "Section 4.1",
        (higher(network("resnet110", "relu-before-addition"), ORIGINAL, GROWTH),),
        "table2",
    ),
    _gain_grows("resnet110", "resnet164"),
    _gain_grows("resnet164", "resnet1001"),
    Claim(
        "very-deep-falls-faster",
        "the training loss of a very deep net (1001) falls faster when f is the identity",
        "Section 4.2, Fig. 1",
        (higher(network("resnet1001"), network("resnet1001", "full-preactivation"), EARLY_LOSS),),
        "table3",
    ),
    Claim(
        "truncation-is-frequent-early",
        "the ReLU after addition truncates (y < 0) more often at the start than later",
        "Section 4.2",
        (Contrast(
            "share of y < 0 in resnet110 original, at the start minus when last measured",
            (WeightedMean(1, ORIGINAL, FIRST_TRUNCATION), WeightedMean(-1, ORIGINAL, LAST_TRUNCATION)),
        ),),
        "table1",
    ),
    Claim(
        "truncation-is-frequent-in-deep-nets",
        "the ReLU after addition truncates (y < 0) more often in a deeper net",
        "Section 4.2",
        (higher(ORIGINAL, network("resnet20"), LAST_TRUNCATION),),
        "claims",
    ),
    _regularises("resnet110"),
    _regularises("resnet164"),
)  # fmt: skip
