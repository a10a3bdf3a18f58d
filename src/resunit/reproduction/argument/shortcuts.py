"""What is measured of section 3: shortcuts that are not the identity."""

import math
from collections.abc import Mapping
from statistics import fmean

from resunit.io.format import to_two_digits
from resunit.reproduction.argument.networks import Networks, first_stage, known_of, values_of
from resunit.reproduction.argument.shown import Line, NumberTable, Show, Shown, by_unit

SCALES = (0.5, 0.9, 1.1)
DROPPED = 0.5  # the probability of the paper's dropout
GATE_BIASES = (0.0, -3.0, -6.0)

# The designs whose direct term is measured through h alone and through h and f, with what h and f are.
COMPARED = {
    "conv-shortcut": "h: 1x1 convolution and BN; f: ReLU",
    "shortcut-only-gating": "h: (1 - g(x)) x, bias -6; f: ReLU",
    "constant-scaling": "h: 0.5 x; f: ReLU",
    "bn-after-addition": "h: x; f: BN and ReLU",
    "original": "h: x; f: ReLU",
    "full-preactivation": "h: x; f: identity",
}


def scaling_multiplies_lambdas(networks: Networks) -> Shown:
    """Return the direct term through scaled shortcuts, beside the products of the scales."""
    lines, seen = [], []
    for scale in SCALES:
        stage = first_stage(networks.fresh("constant-scaling", shortcut_scale=scale))
        count = len(stage)
        lines.append(Line(f"lambda {scale:g}: through h alone", values_of(stage, "shortcut_gain")))
        lines.append(Line(f"lambda {scale:g}: through h and f", values_of(stage, "direct_gain"), dashed=True))
        alone, both = known_of(stage, "shortcut_gain")[1], known_of(stage, "direct_gain")[1]
        seen.append(
            f"lambda {scale:g}: at the second unit of the stage {to_two_digits(alone)} of the gradient is left "
            f"through h alone, where {scale:g}^{count - 1} = {to_two_digits(scale ** (count - 1))}, and "
            f"{to_two_digits(both)} through h and f."
        )
    return Shown(
        tuple(seen),
        (by_unit("Direct term at each unit, relative to the stage's end", *lines, logarithmic=True),),
    )


def other_shortcuts_multiply_derivatives(networks: Networks) -> Shown:
    """Return the direct term of the paper's designs, through h alone and through h and f."""
    stages = {design: first_stage(networks.fresh(design)) for design in COMPARED}
    rows, measured = [], {}
    for design, what in COMPARED.items():
        second = stages[design][1]
        measured[design] = second.shortcut_gain or 0.0, second.direct_gain or 0.0
        fitted = known_of(stages[design][1:], "lambda_r2")
        fit = to_two_digits(fmean(fitted)) if fitted else ""
        rows.append((design, what, *map(to_two_digits, measured[design]), fit))
    alone, with_f = measured["conv-shortcut"]
    gated, gated_with_f = measured["shortcut-only-gating"]
    return Shown(
        (
            f"The 1x1 convolutions multiply the direct term by {to_two_digits(alone)} through h alone and leave "
            f"{to_two_digits(with_f)} of it with f; gates with bias -6 leave {to_two_digits(gated)} and "
            f"{to_two_digits(gated_with_f)}.",
            f"Identity shortcuts with f the identity leave {to_two_digits(measured['full-preactivation'][1])}.",
        ),
        (
            by_unit(
                "Direct term at each unit through h and f, relative to the stage's end",
                *(Line(design, values_of(stage, "direct_gain")) for design, stage in stages.items()),
                logarithmic=True,
            ),
        ),
        NumberTable(("design", "h and f", "direct term, h alone", "with f", "R^2 of h(x) on x"), tuple(rows)),
    )


def exclusive_gating_has_two_roles(networks: Networks) -> Shown:
    """Return what gates of three biases leave of the shortcut and of the branch."""
    rows, seen, lines = [], [], []
    for bias in GATE_BIASES:
        stage = first_stage(networks.fresh("exclusive-gating", gate_bias=bias))
        scale, share = fmean(known_of(stage, "effective_lambda")), fmean(known_of(stage, "branch_share"))
        direct = known_of(stage, "direct_gain")[1]
        rows.append((f"{bias:g}", to_two_digits(scale), to_two_digits(share), to_two_digits(direct)))
        lines.append(Line(f"bias {bias:g}", values_of(stage, "branch_share")))
        seen.append(
            f"Bias {bias:g}: the shortcut is scaled by {scale:.3g}, and the gated branch has {to_two_digits(share)} "
            "of the sum of both norms."
        )
    return Shown(
        tuple(seen),
        (by_unit("The gated branch's share of the sum of the norms of both paths", *lines),),
        NumberTable(
            ("bias of the gate", "mean scale of the shortcut", "mean share of the branch", "direct term"),
            tuple(rows),
        ),
    )


def dropout_is_scaling_in_expectation(networks: Networks) -> Shown:
    """Return the scale that dropout amounts to, beside the scale 0.5."""
    dropped = first_stage(networks.fresh("dropout-shortcut"))
    scaled = first_stage(networks.fresh("constant-scaling", shortcut_scale=SCALES[0]))
    scales = known_of(dropped, "effective_lambda")
    passed = known_of(dropped, "shortcut_gain")[1]
    count = len(dropped) - 1
    kept = (1 - DROPPED) ** count
    return Shown(
        (
            f"Over the units, dropout with probability {DROPPED:g} scales the shortcut by {min(scales):.3g} to "
            f"{max(scales):.3g}.",
            f"Through h alone {to_two_digits(passed)} of the gradient's norm is left at the second unit of the stage: "
            f"each value passes {count} masks with probability {1 - DROPPED:g}^{count} = {to_two_digits(kept)}, and "
            f"the norm of so many values is the root of it, {to_two_digits(math.sqrt(kept))}.",
            f"Scaling by {SCALES[0]:g} leaves {to_two_digits(known_of(scaled, 'shortcut_gain')[1])} of every value.",
        ),
        (
            by_unit(
                "Scale of x that is nearest to h(x)",
                Line("dropout 0.5", values_of(dropped, "effective_lambda")),
                Line("constant scaling 0.5", values_of(scaled, "effective_lambda"), dashed=True),
            ),
        ),
    )


SHOWN: Mapping[str, Show] = {
    "scaling-multiplies-lambdas": scaling_multiplies_lambdas,
    "other-shortcuts-multiply-derivatives": other_shortcuts_multiply_derivatives,
    "exclusive-gating-has-two-roles": exclusive_gating_has_two_roles,
    "dropout-is-scaling-in-expectation": dropout_is_scaling_in_expectation,
}
