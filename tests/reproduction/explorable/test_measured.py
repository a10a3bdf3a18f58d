"""The numbers that ship with the page are those of the networks, and those of the formulas where they hold."""

import math

import pytest

from resunit.inference.subjects import find_subject
from resunit.propagation import measure
from resunit.reproduction.explorable.page import read_document
from tools.explorable_networks import (
    FORMAT,
    IMAGES,
    PLACEMENTS,
    SEED,
    Combination,
    MeasuredNetwork,
    MeasuredPath,
    combinations,
    layers_of,
    measure_network,
)

DOCUMENT = read_document()
NETWORKS = [
    MeasuredNetwork(
        **network
        | {direction: MeasuredPath(**network[direction]) for direction in ("forward", "backward")}
    )
    for network in DOCUMENT["networks"]
]  # fmt: skip


def combination_of(network: MeasuredNetwork) -> Combination:
    return Combination(network.model, network.one_size, network.shortcut, network.value, network.placement)


def test_the_file_has_each_network_once() -> None:
    assert DOCUMENT["format"] == FORMAT
    assert (DOCUMENT["images"], DOCUMENT["seed"]) == (IMAGES, SEED)
    assert [combination_of(network) for network in NETWORKS] == list(combinations())


def test_each_curve_has_a_number_for_each_place() -> None:
    for network in NETWORKS:
        places = {"resnet20": 10, "resnet110": 55}[network.model]
        for path in (network.forward, network.backward):
            assert len(path.direct) == len(path.whole) == places
        assert bool(network.size_changes) != network.one_size
        assert network.forward.direct[0] == network.forward.whole[0] == 1
        assert network.backward.direct[-1] == network.backward.whole[-1] == 1


def test_scaled_shortcuts_follow_equations_7_and_8_where_f_is_the_identity() -> None:
    scaled = [
        one
        for one in NETWORKS
        if one.shortcut == "constant-scaling" and one.placement == "full-preactivation"
    ]
    assert len(scaled) == 20
    for network in scaled:
        assert network.value is not None
        powers = [network.value**l for l in range(len(network.forward.direct))]  # noqa: E741 - the paper's letter
        assert network.forward.direct == pytest.approx(powers, rel=6e-3)
        assert network.backward.direct == pytest.approx(powers[::-1], rel=6e-3)


def test_identities_follow_equations_4_and_5() -> None:
    for network in NETWORKS:
        if network.shortcut == "identity" and network.one_size:
            direct = {*network.forward.direct, *network.backward.direct}
            is_identity = not DOCUMENT["placements"][network.placement]["after_addition"]
            assert (direct == {1}) == is_identity


@pytest.mark.full
@pytest.mark.parametrize(
    ("shortcut", "value", "placement"),
    [
        *(("identity", None, placement) for placement in PLACEMENTS),
        ("constant-scaling", 0.9, "original"),
        ("exclusive-gating", -3.0, "original"),
    ],
)
def test_the_direct_part_is_that_of_the_instrument(
    shortcut: str, value: float | None, placement: str
) -> None:
    """In a network of one size all units are one stage, whose direct term the instrument measures."""
    combination = Combination("resnet20", True, shortcut, value, placement)
    batch = find_subject("resnet20", batch_size=IMAGES, seed=SEED)
    junctions = measure(combination.build().train(), batch.inputs, batch.targets).junctions
    measured = measure_network(combination).backward.direct
    assert [junction.direct_gain for junction in junctions] == pytest.approx(measured[:-1], rel=2e-2)


@pytest.mark.full
@pytest.mark.parametrize("network", [one for one in NETWORKS if one.model == "resnet20"][::12], ids=str)
def test_the_numbers_are_measured_anew(network: MeasuredNetwork) -> None:
    again = measure_network(combination_of(network))
    for direction in ("forward", "backward"):
        for part in ("direct", "whole"):
            now, then = (getattr(getattr(one, direction), part) for one in (again, network))
            # On another processor sums are added in another order.
            assert now == pytest.approx(then, rel=0.05, abs=1e-30)


@pytest.mark.full
def test_half_at_each_of_54_units() -> None:
    (network,) = [
        one
        for one in NETWORKS
        if one.model == "resnet110"
        and one.one_size
        and (one.value, one.placement) == (0.5, "full-preactivation")
    ]
    again = measure_network(combination_of(network))
    assert again.backward.direct[0] == pytest.approx(0.5**54, rel=6e-3)
    assert math.prod([0.5] * 54) == pytest.approx(network.backward.direct[0], rel=6e-3)


def test_layers_are_those_of_figure_4() -> None:
    from resunit.models.designs import DESIGNS

    assert {name: layers_of(DESIGNS[name].placement) for name in PLACEMENTS} == DOCUMENT["placements"]
