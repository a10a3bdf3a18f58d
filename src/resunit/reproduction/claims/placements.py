"""The claims of section 4.1: placements of the activations."""

from resunit.reproduction.claims.claim import Claim, higher, larger_difference, similar
from resunit.reproduction.claims.quantities import EARLY_ERROR, GROWTH, TRAIN_ERROR
from resunit.reproduction.paper.networks import network

IN_TABLE_2 = ("resnet110", "resnet164")
IN_TABLE_3 = ("resnet110-1layer", "resnet110", "resnet164", "resnet1001")

CLAIMS: tuple[Claim, ...] = (
    Claim(
        "bn-after-addition-slows",
        "with BN after addition the network learns more slowly at the beginning",
        "Section 4.1, Fig. 6 (left)",
        (higher(network("resnet110", "bn-after-addition"), network("resnet110"), EARLY_ERROR),),
        "table2",
    ),
    *(
        Claim(
            f"bn-after-addition-is-worse-{model}",
            f"BN after addition ends with a higher training error and test error than the baseline ({model})",
            "Section 4.1, Table 2, Fig. 6 (left)",
            (
                higher(network(model, "bn-after-addition"), network(model), TRAIN_ERROR),
                higher(network(model, "bn-after-addition"), network(model)),
            ),
            "table2",
        )
        for model in IN_TABLE_2
    ),
    Claim(
        "relu-before-addition-grows",
        "with ReLU before addition the signal grows from unit to unit, more than in the baseline",
        "Section 4.1",
        (higher(network("resnet110", "relu-before-addition"), network("resnet110"), GROWTH),),
        "table2",
    ),
    *(
        Claim(
            f"relu-before-addition-is-worse-{model}",
            f"ReLU before addition is worse than the baseline ({model})",
            "Section 4.1, Table 2",
            (higher(network(model, "relu-before-addition"), network(model)),),
            "table2",
        )
        for model in IN_TABLE_2
    ),
    *(
        Claim(
            f"relu-only-preactivation-is-similar-{model}",
            f"ReLU-only pre-activation has a test error similar to that of the baseline ({model})",
            "Section 4.1, Table 2",
            (similar(network(model, "relu-only-preactivation"), network(model)),),
            "table2",
            where=(network(model),),
        )
        for model in IN_TABLE_2
    ),
    *(
        Claim(
            f"full-preactivation-is-better-{model}",
            f"full pre-activation is better than the baseline ({model})",
            "Section 4.1, Tables 2 and 3",
            (higher(network(model), network(model, "full-preactivation")),),
            "table3",
        )
        for model in IN_TABLE_3
    ),
    *(
        Claim(
            f"gain-grows-{shallow}-{deep}",
            f"the gain of pre-activation is larger in {deep} than in {shallow}",
            "Section 4.1, Table 3",
            (larger_difference(
                (network(deep), network(deep, "full-preactivation")),
                (network(shallow), network(shallow, "full-preactivation")),
                f"gain of pre-activation at {deep} minus that at {shallow}",
            ),),
            "table3",
            # 1001 layers may train in fp32 where 164 do in bf16; gains are compared, and not errors.
            apart=True,
        )
        for shallow, deep in (("resnet110", "resnet164"), ("resnet164", "resnet1001"))
    ),
)  # fmt: skip
