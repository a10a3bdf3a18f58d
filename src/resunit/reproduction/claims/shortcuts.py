"""The claims of section 3: shortcuts other than the identity."""

from resunit.reproduction.claims.claim import Claim, higher, larger_difference, no_worse, similar
from resunit.reproduction.claims.quantities import TRAIN_ERROR
from resunit.reproduction.paper.networks import network
from resunit.reproduction.paper.rows import SHORTCUTS

ORIGINAL, CONV = network("resnet110"), network("resnet110", "conv-shortcut")
FEW, FEW_CONV = network("resnet20"), network("resnet20", "conv-shortcut")
HALVES = network("resnet110", "constant-scaling", shortcut_scale=0.5, branch_scale=0.5)
HALF = network("resnet110", "constant-scaling", shortcut_scale=0.5, branch_scale=1.0)
DROPOUT = network("resnet110", "dropout-shortcut")
EXCLUSIVE_0, EXCLUSIVE_6 = (network("resnet110", "exclusive-gating", gate_bias=bias) for bias in (0.0, -6.0))
SHORTCUT_ONLY_0, SHORTCUT_ONLY_6 = (
    network("resnet110", "shortcut-only-gating", gate_bias=bias) for bias in (0.0, -6.0)
)
ROW = {row.id: row for row in SHORTCUTS}
# The paper calls shortcut-only gating of bias -6 close to the identity, and not worse.
WORSE_ROWS = [row.id for row in SHORTCUTS[1:] if row.id != "shortcut-only-gating-6"]


def _does_not_converge(row: str, section: str) -> Claim:
    """Return the claim that a row of Table 1 ends at chance where the identity learns."""
    return Claim(
        f"{row}-does-not-converge",
        f"{ROW[row].label} does not converge where the identity does",
        section,
        (higher(ROW[row].own_network, ORIGINAL),),
        "table1",
        stuck=(ROW[row].own_network,),
        where=(ORIGINAL,),
    )


CLAIMS: tuple[Claim, ...] = (
    *(
        Claim(
            f"identity-beats-{row}",
            f"the identity shortcut is better than {ROW[row].label}",
            "Section 3, Table 1",
            (higher(ROW[row].own_network, ORIGINAL),),
            "table1",
        )
        for row in WORSE_ROWS
    ),
    _does_not_converge("plain", "Section 3.1, constant scaling"),
    _does_not_converge("scaling-0.5-1", "Section 3.1, constant scaling"),
    Claim(
        "scaling-converges-badly",
        "scaling both by 0.5 converges, and to a higher training error and test error than the identity",
        "Section 3.1, constant scaling, Fig. 3 (a)",
        (higher(HALVES, ORIGINAL, TRAIN_ERROR), higher(HALVES, ORIGINAL)),
        "table1",
        learns=(HALVES,),
    ),
    Claim(
        "exclusive-gating-depends-on-bias",
        "exclusive gating depends on the initial bias: 0 is worse than -6",
        "Section 3.1, exclusive gating",
        (higher(EXCLUSIVE_0, EXCLUSIVE_6),),
        "table1",
    ),
    Claim(
        "shortcut-only-gating-depends-on-bias",
        "shortcut-only gating depends on the initial bias: 0 is worse than -6",
        "Section 3.1, shortcut-only gating",
        (higher(SHORTCUT_ONLY_0, SHORTCUT_ONLY_6),),
        "table1",
    ),
    Claim(
        "shortcut-only-gating-6-is-similar",
        "shortcut-only gating of bias -6 has a test error similar to that of the identity",
        "Section 3.1, shortcut-only gating",
        (similar(SHORTCUT_ONLY_6, ORIGINAL),),
        "table1",
        where=(ORIGINAL,),
    ),
    Claim(
        "conv-shortcut-does-well-with-few-units",
        "1x1 shortcuts are no worse than the identity with few units (ResNet-20)",
        "Section 3.1, 1x1 convolutional shortcut",
        (no_worse(FEW_CONV, FEW),),
        "claims",
        where=(FEW,),
    ),
    Claim(
        "conv-shortcut-hurts-with-many-units",
        "1x1 shortcuts hurt more with many units (ResNet-110) than with few (ResNet-20)",
        "Section 3.1, 1x1 convolutional shortcut",
        (larger_difference(
            (CONV, ORIGINAL),
            (FEW_CONV, FEW),
            "what 1x1 shortcuts add to resnet110 minus what they add to resnet20",
        ),),
        "claims",
        reported=(higher(CONV, ORIGINAL), higher(FEW_CONV, FEW)),
        # Gains are compared, and not errors: few units may be trained in a setting of their own.
        apart=True,
    ),
    Claim(
        "dropout-shortcut-acts-like-scaling",
        "dropout 0.5 on the shortcut fails to converge as scaling the shortcut by 0.5 does",
        "Section 3.1, dropout shortcut",
        (similar(DROPOUT, HALF),),
        "table1",
        stuck=(DROPOUT, HALF),
        where=(ORIGINAL,),
        reported=(higher(DROPOUT, ORIGINAL), higher(HALF, ORIGINAL)),
    ),
    _does_not_converge("dropout-shortcut", "Section 3.1, dropout shortcut"),
    *(
        Claim(
            f"{row}-trains-worse",
            f"{ROW[row].label} ends with a higher training error than the identity, which it could represent",
            f"Section 3.2, Fig. 3 ({panel})",
            (higher(ROW[row].own_network, ORIGINAL, TRAIN_ERROR),),
            "table1",
        )
        for row, panel in (("exclusive-gating-6", "b"), ("shortcut-only-gating-0", "c"), ("conv-shortcut", "d"))
    ),
)  # fmt: skip
