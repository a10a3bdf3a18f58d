"""What is measured of section 2: sum and product, the direct term, and where both are exact."""

import copy
from collections.abc import Mapping

from torch import Tensor, nn

from resunit.io.format import format_count, format_share, to_two_digits
from resunit.models.network import ResidualNetwork
from resunit.models.residual_unit import ResidualUnit
from resunit.propagation import Propagation
from resunit.reproduction.argument.networks import Networks, first_stage, known_of, values_of
from resunit.reproduction.argument.shown import Chart, Line, NumberTable, Show, Shown, by_unit
from resunit.reproduction.argument.unrolling import copy_weight_layers, unroll

ORIGINAL, FULL = "original", "full-preactivation"
SMALL = 0.1  # times the weights: "even if they are small"
IMAGES_TO_UNROLL = 16  # in double precision; norms hardly change with more
LATER_UNITS = 6  # up to so many L, for each of which the network runs once more


def sum_not_product(networks: Networks) -> Shown:
    """Return the terms of Eq. (4) beside the product of the same weight layers."""
    units, x = _first_units(networks)
    whole = unroll([unit.branch for unit in units], x)
    product = unroll([copy_weight_layers(unit) for unit in units], x).product_gains
    small = unroll([copy_weight_layers(unit, SMALL) for unit in units], x).product_gains
    count = format_count(len(units), "residual")
    terms = NumberTable(
        ("term of the sum", "norm, relative to x_L", "share of x_L"),
        (
            ("x at the beginning", to_two_digits(1 / whole.sum_gains[-1]), format_share(whole.start_share)),
            *(
                (f"F of unit {number}", to_two_digits(norm), format_share(share))
                for number, (norm, share) in enumerate(
                    zip(whole.residual_norms, whole.residual_shares, strict=True), 1
                )
            ),
        ),
    )
    return Shown(
        (
            f"In the full pre-activation net x_L is x_l, which is {format_share(whole.start_share)} of it, "
            f"and {count}, the largest {format_share(max(whole.residual_shares))}; the sum misses x_L by "
            f"{to_two_digits(whole.closure_error)} of its norm.",
            f"The stream of this residual net becomes {to_two_digits(whole.sum_gains[-1])} times as large as x_l.",
            f"In the plain net of the same weight layers the signal is multiplied by "
            f"{to_two_digits(product[-1])}, and by {to_two_digits(small[-1])} if each weight is "
            f"{SMALL:g} times as large.",
        ),
        (
            by_unit(
                "Signal behind each unit, relative to x_l: a sum beside products",
                Line("residual net: the stream", whole.sum_gains),
                Line("plain net: the weight layers alone", product),
                Line(f"plain net: weights times {SMALL:g}", small, dashed=True),
                logarithmic=True,
            ),
            by_unit(
                "Each residual F of Eq. (4), in parts of x_L",
                Line("norm", whole.residual_norms),
                Line("share of x_L; with x_l they add up to 1", whole.residual_shares, dashed=True),
            ),
        ),
        terms,
    )


def direct_term_between_any_units(networks: Networks) -> Shown:
    """Return the direct term between pairs of units, in two designs."""
    lines, seen = [], []
    places: tuple[int, ...] = ()
    for design, words in ((FULL, "full pre-activation"), (ORIGINAL, "original")):
        gains = _between_units(networks.fresh(design))
        first = min(before for before, _ in gains)
        places = tuple(sorted({later for _, later in gains}))
        lines.append(Line(words, tuple(gains[first, later] for later in places)))
        low, high = min(gains.values()), max(gains.values())
        times = f"{low:.3g}" if low == high else f"{low:.3g} to {high:.3g}"
        seen.append(
            f"{words.capitalize()}: in {len(gains)} pairs of units of one stage, the direct term at the earlier "
            f"unit has {times} times the norm of the gradient at the later one."
        )
    ones = networks.fresh(FULL)
    total = known_of(first_stage(ones), "gradient_gain")[0]
    seen.append(
        f"With the term through weights the whole gradient at the first unit of the full pre-activation net is "
        f"{to_two_digits(total)} times that at its last unit."
    )
    return Shown(
        tuple(seen),
        (
            Chart(
                "Direct term at the stage's first unit, relative to the gradient at unit L",
                places,
                "unit L",
                tuple(lines),
            ),
        ),
    )


def gradient_does_not_vanish(networks: Networks) -> Shown:
    """Return how far the rest of the gradient is from cancelling the direct term, and gradients of small weights."""
    units, x = _first_units(networks)
    small = unroll([copy_weight_layers(unit, SMALL) for unit in units], x)
    trained = networks.trained(FULL)
    moments = {
        "fresh": networks.fresh(FULL).junctions,
        f"after {trained.steps[-1]} steps": trained.signals[-1].junctions,
    }
    lines, seen = [], []
    for words, junctions in moments.items():
        lines.append(Line(f"{words}: smallest", values_of(junctions, "cancellation_min")))
        lines.append(Line(f"{words}: median", values_of(junctions, "cancellation_median"), dashed=True))
        cancelled = max(known_of(junctions, "cancellation_share"), default=0.0)
        smallest = min(known_of(junctions, "cancellation_min"), default=0.0)
        seen.append(
            f"Full pre-activation, {words}: over all units and samples the ratio is at least {smallest:.2g}, where "
            f"-1 would cancel; at most {format_share(cancelled)} of the samples of a unit are below -0.9."
        )
    seen.append(
        f"With weights {SMALL:g} times as large, and the weight layers alone, the gradient at the first unit is "
        f"{to_two_digits(small.sum_gradients[0])} of that at the last in the sum, and "
        f"{to_two_digits(small.product_gradients[0])} in the product."
    )
    return Shown(
        tuple(seen),
        (
            by_unit("<rest, direct> / <direct, direct> over the samples; -1 is cancellation", *lines),
            by_unit(
                f"Gradient at each unit, relative to x_L, with weights times {SMALL:g}",
                Line("residual net", small.sum_gradients),
                Line("plain net of the same layers", small.product_gradients),
                logarithmic=True,
            ),
        ),
    )


def exact_for_identities(networks: Networks) -> Shown:
    """Return how well Eq. (4) closes in the stages of two designs, and how many stages there are."""
    lines, rows, seen = [], [], []
    for design, words in ((FULL, "full pre-activation"), (ORIGINAL, "original")):
        junctions = networks.fresh(design).junctions
        lines.append(Line(words, values_of(junctions, "closure_error")))
        for stage in sorted({junction.stage for junction in junctions}):
            of_stage = [junction for junction in junctions if junction.stage == stage]
            errors, direct = known_of(of_stage, "closure_error"), values_of(of_stage, "direct_gain")
            rows.append(
                (
                    words,
                    str(stage),
                    str(len(of_stage)),
                    to_two_digits(max(errors)) if errors else "",
                    *("" if gain is None else to_two_digits(gain) for gain in (*direct, None)[:2]),
                )
            )
        worst = max(known_of(junctions, "closure_error"), default=0.0)
        seen.append(
            f"{words.capitalize()}: within the stages x_L differs from x_l and its residuals by at most "
            f"{to_two_digits(worst)} of its norm."
        )
    stages = max(junction.stage for junction in networks.fresh(FULL).junctions)
    seen.append(
        f"The feature maps change their size between the {stages} stages, and each stage begins a sum of its own."
    )
    if stages > 1:
        seen.append(
            "From the second stage on, the first unit of a stage changes the size: its shortcut is no identity, so "
            "the direct term at it is not 1, even with full pre-activation."
        )
    return Shown(
        tuple(seen),
        (by_unit("What is left of x_L after x_l and all residuals are taken away", *lines),),
        NumberTable(
            ("design", "stage", "units", "largest closure error", "direct term, first unit", "second unit"),
            tuple(rows),
        ),
    )


def _first_units(networks: Networks) -> tuple[list[ResidualUnit], Tensor]:
    """Return the units of the first stage of full pre-activation that keep the size, and a batch of x_l for them."""
    subject = networks.fresh_subject(FULL)
    model = copy.deepcopy(subject.model)
    assert isinstance(model, ResidualNetwork)
    units, x = [], model.stem(subject.inputs[:IMAGES_TO_UNROLL])
    for unit in model.stages[0].children():
        assert isinstance(unit, ResidualUnit)
        if isinstance(unit.shortcut, nn.Identity) and isinstance(unit.shared_preact, nn.Identity):
            units.append(unit)
        else:
            x = unit(x)
    return units, x


def _between_units(result: Propagation) -> dict[tuple[int, int], float]:
    """Return the direct term between pairs (l, L) of the first stage, whose units count from 1."""
    stage = first_stage(result)
    start = result.junctions.index(stage[0])
    count = min(LATER_UNITS, len(stage) - 1)
    later = sorted({1 + round(k * (len(stage) - 2) / max(1, count - 1)) for k in range(count)})
    return {
        (before + 1, after + 1): result.direct(start + before, start + after)
        for after in later
        for before in range(after)
    }


SHOWN: Mapping[str, Show] = {
    "sum-not-product": sum_not_product,
    "direct-term-between-any-units": direct_term_between_any_units,
    "gradient-does-not-vanish": gradient_does_not_vanish,
    "exact-for-identities": exact_for_identities,
}
