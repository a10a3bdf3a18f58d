"""The claims of section 4.1: placements of the activations."""

from resunit.reproduction.claims.claim import Claim, higher, larger_difference, similar
from resunit.reproduction.claims.quantities import EARLY_ERROR, GROWTH, TRAIN_ERROR
from resunit.reproduction.paper.networks import network


def _bn_after_addition_is_worse(model: str) -> Claim:
    """Return the claim that BN after addition ends with a higher training error and a higher test error."""
    changed, original = network(model, "bn-after-addition"), network(model)
    return Claim(
        f"bn-after-addition-is-worse-{model}",
        f"BN after addition ends with a higher training error and test error than the baseline ({model})",
        "Section 4.1, Table 2, Fig. 6 (left)",
        (higher(changed, original, TRAIN_ERROR), higher(changed, original)),
        "table2",
    )


def _relu_before_addition_is_worse(model: str) -> Claim:
    """Return the claim that ReLU before addition ends with a higher test error."""
    return Claim(
        f"relu-before-addition-is-worse-{model}",
        f"ReLU before addition is worse than the baseline ({model})",
        "Section 4.1, Table 2",
        (higher(network(model, "relu-before-addition"), network(model)),),
        "table2",
    )


def _relu_only_preactivation_is_similar(model: str) -> Claim:
    """Return the claim that ReLU-only pre-activation has the test error of the original within the margin."""
    original = network(model)
    return Claim(
        f"relu-only-preactivation-is-similar-{model}",
        f"ReLU-only pre-activation has a test error similar to that of the baseline ({model})",
        "Section 4.1, Table 2",
        (similar(network(model, "relu-only-preactivation"), original),),
        "table2",
        where=(original,),
    )


def _full_preactivation_is_better(model: str) -> Claim:
    """Return the claim that full pre-activation has a lower test error than the original."""
    return Claim(
        f"full-preactivation-is-better-{model}",
        f"full pre-activation is better than the baseline ({model})",
        "Section 4.1, Tables 2 and 3",
        (higher(network(model), network(model, "full-preactivation")),),
        "table3",
    )


def _gain_grows(shallow: str, deep: str) -> Claim:
    """Return the claim that pre-activation lowers the test error more in the deeper network."""
    contrast = larger_difference(
        (network(deep), network(deep, "full-preactivation")),
        (network(shallow), network(shallow, "full-preactivation")),
        f"gain of pre-activation at {deep} minus that at {shallow}",
    )
    return Claim(
        f"gain-grows-{shallow}-{deep}",
        f"the gain of pre-activation is larger in {deep} than in {shallow}",
        "Section 4.1, Table 3",
        (contrast,),
        "table3",
        # 1001 layers may train in fp32 where 164 do in bf16; gains are compared, and not errors.
        apart=True,
    )


CLAIMS: tuple[Claim, ...] = (
    Claim(
        "bn-after-addition-slows",
        "with BN after addition the network learns more slowly at the beginning",
        "Section 4.1, Fig. 6 (left)",
        (higher(network("resnet110", "bn-after-addition"), network("resnet110"), EARLY_ERROR),),
        "table2",
    ),
    _bn_after_addition_is_worse("resnet110"),
    _bn_after_addition_is_worse("resnet164"),
    Claim(
        "relu-before-addition-grows",
        "with ReLU before addition the signal grows from unit to unit, more than in the baseline",
        "Section 4.1",
        (higher(network("resnet110", "relu-before-addition"), network("resnet110"), GROWTH),),
        "table2",
    ),
    _relu_before_addition_is_worse("resnet110"),
    _relu_before_addition_is_worse("resnet164"),
    _relu_only_preactivation_is_similar("resnet110"),
    _relu_only_preactivation_is_similar("resnet164"),
    _full_preactivation_is_better("resnet110-1layer"),
    _full_preactivation_is_better("resnet110"),
    _full_preactivation_is_better("resnet164"),
    _full_preactivation_is_better("resnet1001"),
    _gain_grows("resnet110", "resnet164"),
    _gain_grows("resnet164", "resnet1001"),
)
