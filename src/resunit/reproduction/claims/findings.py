"""The paper's findings, each as a contrast that runs can decide. Directions were fixed before any run.

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
from resunit.reproduction.networks import Network, network
from resunit.reproduction.rows import SHORTCUTS


@dataclass(frozen=True)
class Term:
    """`coefficient` times the mean of `quantity` over the seeds of `network`."""

    coefficient: float
    network: Network
    quantity: Quantity = TEST_ERROR


@dataclass(frozen=True)
class Contrast:
    """The sum of `terms` is above zero. `distance` takes each pair of terms without its sign."""

    words: str
    terms: tuple[Term, ...]
    distance: bool = False


@dataclass(frozen=True)
class Claim:
    """Held if every contrast is, on runs of `data`.

    `stuck` must end at chance or diverge in every seed as well, `learns` must do better than chance in every
    seed; where `where` do not, nothing is decided. `reported` stand beside the verdict. `apart`: the networks
    of each model share a setting, and not those of different models. `runs` names the command's table that
    trains what it needs; `remark` qualifies every outcome.
    """

    id: str
    finding: str
    source: str
    contrasts: tuple[Contrast, ...]
    runs: str
    stuck: tuple[Network, ...] = ()
    learns: tuple[Network, ...] = ()
    where: tuple[Network, ...] = ()
    reported: tuple[Contrast, ...] = ()
    apart: bool = False
    remark: str = ""
    data: str = "cifar10"

    @property
    def networks(self) -> list[Network]:
        contrasts = (*self.contrasts, *self.reported)
        found = [term.network for contrast in contrasts for term in contrast.terms]
        return list({network.key: network for network in found}.values())

    @property
    def sides(self) -> dict[str, list[Network]]:
        """The networks that share a setting: by model if they are `apart`, else all, under ""."""
        sides: dict[str, list[Network]] = {}
        for each in self.networks:
            sides.setdefault(each.model if self.apart else "", []).append(each)
        return sides


def higher(above: Network, below: Network, quantity: Quantity = TEST_ERROR) -> Contrast:
    words = f"{quantity.words}, {named(above)} minus {named(below)}"
    return Contrast(words, (Term(1, above, quantity), Term(-1, below, quantity)))


def named(network: Network) -> str:
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
    best = network(model, "full-preactivation")
    return Claim(
        f"full-preactivation-is-best-{model}",
        f"full pre-activation is the best placement of Table 2 ({model})",
        "Table 2",
        tuple(higher(network(model, placement), best) for placement in PLACEMENTS),
        "table2",
    )


def _gain_grows(shallow: str, deep: str) -> Claim:
    terms = (
        Term(1, network(deep)),
        Term(-1, network(deep, "full-preactivation")),
        Term(-1, network(shallow)),
        Term(1, network(shallow, "full-preactivation")),
    )
    words = f"test error, gain of pre-activation at {deep} minus that at {shallow}"
    return Claim(
        f"gain-grows-{shallow}-{deep}",
        f"the gain of pre-activation is larger in {deep} than in {shallow}",
        "Table 3",
        (Contrast(words, terms),),
        "table3",
        apart=True,  # 1001 layers train in fp32 where the others do in bf16: gains are compared, not errors
    )


def _regularises(model: str) -> Claim:
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
        # Closer, not better: the distance of each to the original.
        (Contrast(
            "test error, distance from the original at bias 0 minus that at bias -6",
            (Term(1, HALF_GATING_0), Term(-1, ORIGINAL), Term(-1, HALF_GATING_6), Term(1, ORIGINAL)),
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
            (Term(1, CONV), Term(-1, ORIGINAL), Term(-1, FEW_CONV), Term(1, FEW)),
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
            (Term(1, ORIGINAL, FIRST_TRUNCATION), Term(-1, ORIGINAL, LAST_TRUNCATION)),
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
