"""The claims of section 4.2: why pre-activation is better."""

from resunit.reproduction.claims.claim import (
    Claim,
    Contrast,
    WeightedMean,
    higher,
    larger_difference,
    no_worse,
)
from resunit.reproduction.claims.quantities import (
    EARLY_ERROR,
    EARLY_TRUNCATION,
    LATE_TRUNCATION,
    TRAIN_ERROR,
    TRAIN_LOSS,
)
from resunit.reproduction.paper.networks import network

VERY_DEEP = network("resnet1001")
VERY_DEEP_PREACTIVATION = network("resnet1001", "full-preactivation")
DEEP, DEEP_PREACTIVATION = network("resnet164"), network("resnet164", "full-preactivation")
OTHERS = (
    network("resnet110"),
    network("resnet110", "full-preactivation"),
    DEEP,
    DEEP_PREACTIVATION,
    VERY_DEEP,
)
IN_TABLE_2 = ("resnet110", "resnet164")

CLAIMS: tuple[Claim, ...] = (
    Claim(
        "very-deep-falls-faster",
        "a very deep net (1001) learns faster at the beginning when f is the identity than when it is ReLU",
        "Section 4.2, ease of optimization, Fig. 1",
        (higher(VERY_DEEP, VERY_DEEP_PREACTIVATION, EARLY_ERROR),),
        "table3",
    ),
    Claim(
        "very-deep-ends-lowest",
        "the pre-activation net of 1001 layers ends with the lowest training loss of all",
        "Section 4.2, ease of optimization",
        tuple(higher(other, VERY_DEEP_PREACTIVATION, TRAIN_LOSS) for other in OTHERS),
        "table3",
        needs_the_end=True,
    ),
    Claim(
        "relu-slows-very-deep-nets-more",
        "f = ReLU slows the beginning of training less in nets of fewer layers (164) than in very deep ones",
        "Section 4.2, ease of optimization",
        (larger_difference(
            (VERY_DEEP, VERY_DEEP_PREACTIVATION),
            (DEEP, DEEP_PREACTIVATION),
            "what f = ReLU adds to resnet1001 minus what it adds to resnet164",
            EARLY_ERROR,
        ),),
        "table3",
        apart=True,
    ),
    Claim(
        "relu-recovers-with-fewer-layers",
        "with fewer layers (164) f = ReLU ends with no higher training error than the identity",
        "Section 4.2, ease of optimization, Fig. 6 (right)",
        (no_worse(DEEP, DEEP_PREACTIVATION, TRAIN_ERROR),),
        "table2",
        where=(DEEP_PREACTIVATION,),
        reported=(higher(DEEP, DEEP_PREACTIVATION, EARLY_ERROR),),
        needs_the_end=True,
    ),
    *(
        Claim(
            f"truncation-becomes-rarer-{model}",
            f"after some training the ReLU after addition truncates (y < 0) more rarely ({model})",
            "Section 4.2, ease of optimization",
            # Fresh weights are left out: the paper speaks of what training does to them.
            (Contrast(
                f"share of y < 0 in {model} original, first measured from 5 % of the steps on minus last measured",
                (
                    WeightedMean(1, network(model), EARLY_TRUNCATION),
                    WeightedMean(-1, network(model), LATE_TRUNCATION),
                ),
            ),),
            "table2",
        )
        for model in IN_TABLE_2
    ),
    Claim(
        "truncation-is-frequent-in-deep-nets",
        "the ReLU after addition truncates (y < 0) more often with 1001 layers than with 164 and 110",
        "Section 4.2, ease of optimization",
        tuple(higher(VERY_DEEP, network(model), LATE_TRUNCATION) for model in ("resnet164", "resnet110")),
        "claims",
    ),
    *(
        Claim(
            f"preactivation-regularises-{model}",
            f"pre-activation ends with a higher training loss and a lower test error ({model})",
            "Section 4.2, reducing overfitting, Fig. 6 (right)",
            (
                higher(network(model, "full-preactivation"), network(model), TRAIN_LOSS),
                higher(network(model), network(model, "full-preactivation")),
            ),
            "table2",
            needs_the_end=True,
        )
        for model in IN_TABLE_2
    ),
)  # fmt: skip
