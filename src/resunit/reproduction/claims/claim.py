"""A claim of the paper: the contrasts between runs that have to hold. Directions were fixed before any run.

A contrast is a combination of means over seeds, with a comparison that it has to pass. Tests look in both
directions, so that the opposite can be found as well.
"""

from dataclasses import dataclass
from typing import Literal

from resunit.reproduction.claims.quantities import TEST_ERROR, Quantity
from resunit.reproduction.paper.networks import NetworkChoice

Comparison = Literal["above zero", "within the margin", "below the margin"]


@dataclass(frozen=True)
class WeightedMean:
    """A coefficient times the mean of a quantity over the seeds of a network."""

    coefficient: float
    network: NetworkChoice
    quantity: Quantity = TEST_ERROR


@dataclass(frozen=True)
class Contrast:
    """The statement that a sum passes a comparison.

    Attributes:
        description: the sum in words.
        terms: what is summed.
        comparison: what the sum has to be. "within the margin" is similarity: the sum lies between the negative
            and the positive margin of the scale. "below the margin" sets no lower limit.
    """

    description: str
    terms: tuple[WeightedMean, ...]
    comparison: Comparison = "above zero"

    @property
    def quantity(self) -> Quantity:
        """The quantity of the first term, whose unit the sum has."""
        return self.terms[0].quantity

    @property
    def needs_margin(self) -> bool:
        """Whether the comparison can be decided only at a scale that has a margin."""
        return self.comparison != "above zero"


@dataclass(frozen=True)
class Claim:
    """A claim of the paper. It holds if every contrast does, on runs of `data`.

    Attributes:
        id: a short name, which stays.
        section: where the paper says it.
        table: the name of the table whose runs decide the claim.
        stuck: networks that must end at chance, or diverge, in every seed as well.
        learns: networks that must do better than chance in every seed as well.
        where: networks that have to learn in every seed; otherwise the claim is undecided.
        reported: contrasts that are shown and do not decide.
        apart: whether the networks of each model have a setting of their own.
        needs_the_end: whether only a training as long as the paper's can decide the claim.
    """

    id: str
    sentence: str
    section: str
    contrasts: tuple[Contrast, ...]
    table: str
    stuck: tuple[NetworkChoice, ...] = ()
    learns: tuple[NetworkChoice, ...] = ()
    where: tuple[NetworkChoice, ...] = ()
    reported: tuple[Contrast, ...] = ()
    apart: bool = False
    needs_the_end: bool = False
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
    return _difference(above, below, quantity, "above zero")


def similar(one: NetworkChoice, other: NetworkChoice) -> Contrast:
    """Return the contrast that the test error differs by less than the margin between two networks."""
    return _difference(one, other, TEST_ERROR, "within the margin")


def no_worse(one: NetworkChoice, other: NetworkChoice, quantity: Quantity = TEST_ERROR) -> Contrast:
    """Return the contrast that `quantity` is, in the network `one`, higher by less than the margin."""
    return _difference(one, other, quantity, "below the margin")


def larger_difference(
    pair: tuple[NetworkChoice, NetworkChoice],
    other: tuple[NetworkChoice, NetworkChoice],
    description: str,
    quantity: Quantity = TEST_ERROR,
) -> Contrast:
    """Return the contrast that `quantity` differs more, first minus second, in a pair of networks than in another."""
    terms = (
        WeightedMean(1, pair[0], quantity),
        WeightedMean(-1, pair[1], quantity),
        WeightedMean(-1, other[0], quantity),
        WeightedMean(1, other[1], quantity),
    )
    return Contrast(f"{quantity.name}, {description}", terms)


def describe_network(network: NetworkChoice) -> str:
    """Return a network's name in claims: model, design, and the numbers that tell rows of a table apart."""
    options = ", ".join(f"{name} {value:g}" for name, value in network.options.items()
                        if isinstance(value, float) and network.design != "dropout-shortcut")  # fmt: skip
    return f"{network.model} {network.design}" + (f" ({options})" if options else "")


def _difference(
    one: NetworkChoice, other: NetworkChoice, quantity: Quantity, comparison: Comparison
) -> Contrast:
    description = f"{quantity.name}, {describe_network(one)} minus {describe_network(other)}"
    terms = (WeightedMean(1, one, quantity), WeightedMean(-1, other, quantity))
    return Contrast(description, terms, comparison)
