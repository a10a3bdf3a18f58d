"""What is measured of section 4.2: truncation, the early loss, and what weight layers take."""

from collections.abc import Mapping
from statistics import fmean, median

from resunit.io.format import format_share, to_two_digits
from resunit.propagation import Propagation
from resunit.reproduction.argument.networks import Networks, known_of, values_of
from resunit.reproduction.argument.shown import Chart, Line, NumberTable, Show, Shown, by_unit

WORDS = {"original": "original", "full-preactivation": "full pre-activation"}


def relu_harms_little_with_fewer_layers(networks: Networks) -> Shown:
    """Return the training loss of the brief trainings, which shows the beginning alone."""
    trained = {design: networks.trained(design) for design in WORDS}
    steps = trained["original"].steps[-1]
    last = max(1, steps // 10)
    seen = [
        f"{WORDS[design]} {to_two_digits(fmean(training.losses[-last:]))}"
        for design, training in trained.items()
    ]
    return Shown(
        (
            f"Mean training loss over the last tenth of {steps} steps on the sample, in nats: "
            f"{', '.join(seen)}; guessing gives 2.3. So few steps show the beginning alone.",
        ),
        (
            Chart(
                "Training loss in nats",
                tuple(range(1, steps + 1)),
                "step",
                tuple(Line(WORDS[design], training.losses) for design, training in trained.items()),
            ),
        ),
    )


def truncation_needs_a_very_negative_branch(networks: Networks) -> Shown:
    """Return how much of the sum f = ReLU sets to zero, and how much energy that is."""
    junctions = networks.fresh("original").junctions
    shares, cuts = known_of(junctions, "negative_share"), known_of(junctions, "energy_cut")
    negative = known_of(junctions, "branch_negative_share")
    return Shown(
        (
            f"In the fresh original net {format_share(median(negative))} of the values of a branch are below "
            f"zero (median over the units), and {format_share(median(shares))} of the sums are.",
            f"What ReLU sets to zero holds {format_share(median(cuts))} of the energy of the sum (median; at "
            f"most {format_share(max(cuts))}).",
        ),
        (
            by_unit(
                "Share of values, and of energy, that f = ReLU takes away",
                Line("F(x) < 0", values_of(junctions, "branch_negative_share"), dashed=True),
                Line("y < 0", values_of(junctions, "negative_share")),
                Line("energy that is cut", values_of(junctions, "energy_cut")),
            ),
        ),
    )


def truncation_becomes_rarer(networks: Networks) -> Shown:
    """Return the share of y < 0 at each measured step of the brief training of the original net."""
    training = networks.trained("original")
    shares = [fmean(known_of(signal.junctions, "negative_share")) for signal in training.signals]
    early, late = training.signals[1], training.signals[-1]
    return Shown(
        (
            "Mean share of y < 0 over the units of the original net, by step: "
            + ", ".join(
                f"{format_share(share)} at {step}"
                for step, share in zip(training.steps, shares, strict=True)
            )
            + f"; from step {training.steps[1]} on it "
            + ("fell." if shares[-1] < shares[1] else "did not fall in so few steps."),
        ),
        (
            by_unit(
                "P(y < 0) by unit",
                Line("before training", values_of(training.signals[0].junctions, "negative_share")),
                    Line(
                        f"after {training.steps[1]} steps", values_of(early.junctions, "negative_share"),
                        dashed=True,
                    ),
                    Line(f"after {training.steps[-1]} steps", values_of(late.junctions, "negative_share")),
            ),
        ),
    )  # fmt: skip


def preactivation_normalises_what_weights_get(networks: Networks) -> Shown:
    """Return what weight layers take in the original net and in full pre-activation, fresh and trained."""
    lines, rows, seen = [], [], []
    for design, words in WORDS.items():
        training = networks.trained(design)
        moments: dict[str, Propagation] = {
            "fresh": networks.fresh(design),
            f"after {training.steps[-1]} steps": training.signals[-1],
        }
        for when, signal in moments.items():
            rms = known_of(signal.junctions, "weight_input_rms")
            spread = known_of(signal.junctions, "weight_input_spread")
            lines.append(
                Line(f"{words}, {when}", values_of(signal.junctions, "weight_input_rms"), when != "fresh")
            )
            rows.append(
                (words, when, *(f"{to_two_digits(min(v))} to {to_two_digits(max(v))}" for v in (rms, spread)))
            )
            seen.append(f"{words}, {when}: {to_two_digits(min(rms))} to {to_two_digits(max(rms))}")
    return Shown(
        (f"The root mean square of what the first weight layers take: {'; '.join(seen)}.",),
        (by_unit("Input of each branch's first weight layer, root mean square", *lines),),
        NumberTable(("design", "when", "root mean square", "spread over channels"), tuple(rows)),
    )


SHOWN: Mapping[str, Show] = {
    "relu-harms-little-with-fewer-layers": relu_harms_little_with_fewer_layers,
    "truncation-needs-a-very-negative-branch": truncation_needs_a_very_negative_branch,
    "truncation-becomes-rarer": truncation_becomes_rarer,
    "preactivation-normalises-what-weights-get": preactivation_normalises_what_weights_get,
}
