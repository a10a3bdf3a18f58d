"""What is measured of section 4.1: where the activations stand."""

from collections.abc import Mapping
from statistics import median

from resunit.io.format import format_share, to_two_digits
from resunit.reproduction.argument.networks import Networks, first_stage, known_of, values_of
from resunit.reproduction.argument.shown import Line, Show, Shown, by_unit

LETTERS = {
    "original": "(a) original",
    "bn-after-addition": "(b) BN after addition",
    "relu-before-addition": "(c) ReLU before addition",
    "relu-only-preactivation": "(d) ReLU-only pre-activation",
    "full-preactivation": "(e) full pre-activation",
}


def bn_after_addition_alters_the_signal(networks: Networks) -> Shown:
    """Return what f does to the sum, and to the direct term, with BN in it and without."""
    normed, plain = (first_stage(networks.fresh(design)) for design in ("bn-after-addition", "original"))
    scales = known_of(normed, "f_scale")
    kept = {name: known_of(stage, "direct_gain")[1] for name, stage in (("(a)", plain), ("(b)", normed))}
    return Shown(
        (
            f"In (b) f scales the sum by {min(scales):.2g} to {max(scales):.2g}, with a median of "
            f"{median(scales):.2g} over the units.",
            f"Of the direct term {to_two_digits(kept['(b)'])} is left at the second unit of the stage; in (a) it is "
            f"{to_two_digits(kept['(a)'])}.",
        ),
        (
            by_unit(
                "Scale of the sum y that is nearest to f(y)",
                Line(LETTERS["bn-after-addition"], values_of(normed, "f_scale")),
                Line(LETTERS["original"], values_of(plain, "f_scale")),
            ),
            by_unit(
                "Direct term at each unit, relative to the stage's end",
                Line(LETTERS["bn-after-addition"], values_of(normed, "direct_gain")),
                Line(LETTERS["original"], values_of(plain, "direct_gain")),
                logarithmic=True,
            ),
        ),
    )


def relu_before_addition_only_grows(networks: Networks) -> Shown:
    """Return the sign of the branch and the size of the stream, with ReLU before the addition and without."""
    stages = {
        design: first_stage(networks.fresh(design))
        for design in ("relu-before-addition", "original", "full-preactivation")
    }
    grown = stages["relu-before-addition"]
    smallest = min(known_of(grown, "branch_minimum"))
    negative = known_of(stages["full-preactivation"], "branch_negative_share")
    growth = known_of(grown, "stream_growth")
    rms = known_of(grown, "stream_rms")
    ending = "no unit makes the stream smaller" if min(growth) >= 1 else "a unit makes the stream smaller"
    return Shown(
        (
            f"In (c) the smallest value of any branch is {smallest:.2g}: {ending}, and its root mean square goes "
            f"from {to_two_digits(rms[0])} to {to_two_digits(rms[-1])} within the stage.",
            f"In (e) {format_share(min(negative))} to {format_share(max(negative))} of the values of a "
            "branch are below zero, so that it can also make the stream smaller.",
        ),
        (
            by_unit(
                "Root mean square of the stream",
                *(Line(LETTERS[design], values_of(stage, "stream_rms")) for design, stage in stages.items()),
            ),
            by_unit(
                "Share of the branch's values below zero",
                *(
                    Line(LETTERS[design], values_of(stage, "branch_negative_share"))
                    for design, stage in stages.items()
                ),
            ),
        ),
    )


def relu_only_preactivation_lacks_bn(networks: Networks) -> Shown:
    """Return what the first weight layer of each branch takes in (a), (d) and (e)."""
    lines, seen = [], []
    for design in ("original", "relu-only-preactivation", "full-preactivation"):
        junctions = networks.fresh(design).junctions
        taken = known_of(junctions, "weight_input_rms")
        lines.append(Line(LETTERS[design], values_of(junctions, "weight_input_rms")))
        seen.append(f"{LETTERS[design]}: {to_two_digits(min(taken))} to {to_two_digits(max(taken))}")
    return Shown(
        (f"The root mean square of what the first weight layers take: {'; '.join(seen)}.",),
        (by_unit("Input of each branch's first weight layer, root mean square", *lines),),
    )


SHOWN: Mapping[str, Show] = {
    "bn-after-addition-alters-the-signal": bn_after_addition_alters_the_signal,
    "relu-before-addition-only-grows": relu_before_addition_only_grows,
    "relu-only-preactivation-lacks-bn": relu_only_preactivation_lacks_bn,
}
