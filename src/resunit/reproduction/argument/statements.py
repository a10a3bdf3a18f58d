"""The paper's argument as a list of statements, each with the measurement, the formula or the claims that show it.

The statements are those that the paper makes beside the numbers of its tables, in its order and in our words.
"""

from dataclasses import dataclass

from resunit.reproduction.claims import CLAIMS, Claim
from resunit.reproduction.claims.shortcuts import WORSE_ROWS

PREACTIVATION = "resunit propagation preresnet110"
ORIGINAL = "resunit propagation resnet110"
BOTH = "resunit propagation resnet110 preresnet110"

WEIGHT_INPUT = ("weight_input_rms", "weight_input_mean", "weight_input_spread")


@dataclass(frozen=True)
class Statement:
    """A statement of the paper, with what shows it.

    Attributes:
        name: a short name, which stays.
        section: where the paper makes it.
        sentence: the statement in our words.
        formula: the formula that says the same, if one does.
        measures: the attributes of `propagation.Junction` that show it.
        command: the command that shows these measures.
        claims: the ids of the claims that decide it by runs.
    """

    name: str
    section: str
    sentence: str
    formula: str = ""
    measures: tuple[str, ...] = ()
    command: str = ""
    claims: tuple[str, ...] = ()

    @property
    def needs_the_end(self) -> bool:
        """Whether runs decide it, and only those that are as long as the paper's."""
        return bool(self.claims) and all(BY_ID[claim].needs_the_end for claim in self.claims)


BY_ID: dict[str, Claim] = {claim.id: claim for claim in CLAIMS}

UNROLLED = (
    Statement(
        "sum-not-product",
        "Section 2",
        "A deep value of the stream is a shallow one plus a sum of residuals, where a plain net has a product of "
        "layers.",
        formula="x_L = x_l + F(x_l) + ... + F(x_{L-1})",
        measures=("closure_error",),
        command="resunit reproduce argument --only sum-not-product",
    ),
    Statement(
        "direct-term-between-any-units",
        "Section 2",
        "Between any two units the gradient has a term that passes no weight layer, beside one that does.",
        formula="dE/dx_l = dE/dx_L (1 + d/dx_l (F(x_l) + ... + F(x_{L-1})))",
        measures=("direct_gain", "shortcut_gain"),
        command=PREACTIVATION,
    ),
    Statement(
        "gradient-does-not-vanish",
        "Section 2",
        "The gradient does not vanish even with small weights, unless the other term is -1 for every sample.",
        formula="for each sample: <rest, direct> / <direct, direct> > -1",
        measures=("cancellation_min", "cancellation_median", "cancellation_share"),
        command=PREACTIVATION,
    ),
    Statement(
        "exact-for-identities",
        "Section 2",
        "Both hold exactly only where h and f are identities, and within one size of the feature maps.",
        measures=("closure_error", "effective_lambda", "f_scale"),
        command=BOTH,
    ),
)

SHORTCUTS = (
    Statement(
        "scaling-multiplies-lambdas",
        "Section 3",
        "With scaled shortcuts the direct term is the product of the scales, which vanishes or explodes.",
        formula="dE/dx_l = dE/dx_L (lambda_l ... lambda_{L-1} + d/dx_l (...))",
        measures=("direct_gain", "shortcut_gain", "effective_lambda"),
        command="resunit propagation resnet110 --design constant-scaling",
    ),
    Statement(
        "other-shortcuts-multiply-derivatives",
        "Section 3",
        "With any other shortcut the direct term is the product of its derivatives, which hinders optimisation.",
        formula="dE/dx_l = dE/dx_L (h'_l ... h'_{L-1} + d/dx_l (...))",
        measures=("direct_gain", "shortcut_gain", "lambda_r2"),
        command="resunit propagation resnet110 --design conv-shortcut",
        claims=tuple(f"identity-beats-{row}" for row in WORSE_ROWS),
    ),
    Statement(
        "half-scaling-and-plain-do-not-converge",
        "Section 3.1",
        "A shortcut scaled by 0.5 beside a whole branch, and no shortcut at all, do not converge well.",
        claims=("plain-does-not-converge", "scaling-0.5-1-does-not-converge"),
    ),
    Statement(
        "halves-converge-higher",
        "Section 3.1",
        "Scaling shortcut and branch by 0.5 converges, to a higher training error and test error.",
        claims=("scaling-converges-badly",),
    ),
    Statement(
        "exclusive-gating-depends-on-bias",
        "Section 3.1",
        "How well exclusive gating trains depends on the bias that its gate begins with.",
        claims=("exclusive-gating-depends-on-bias",),
    ),
    Statement(
        "exclusive-gating-has-two-roles",
        "Section 3.1",
        "One gate scales the shortcut by 1 - g and the branch by g, so that it keeps one by giving up the other.",
        formula="y = (1 - g(x)) x + g(x) F(x)",
        measures=("effective_lambda", "branch_share"),
        command="resunit propagation resnet110 --design exclusive-gating",
    ),
    Statement(
        "shortcut-only-gating-needs-its-bias",
        "Section 3.1",
        "Shortcut-only gating is poor with bias 0, and close to the identity with bias -6.",
        claims=(
            "identity-beats-shortcut-only-gating-0",
            "shortcut-only-gating-depends-on-bias",
            "shortcut-only-gating-6-is-similar",
        ),
    ),
    Statement(
        "conv-shortcut-suits-few-units",
        "Section 3.1",
        "1x1 convolutions on the shortcut do well with few units and poorly with many.",
        claims=(
            "conv-shortcut-does-well-with-few-units",
            "identity-beats-conv-shortcut",
            "conv-shortcut-hurts-with-many-units",
        ),
    ),
    Statement(
        "dropout-is-scaling-in-expectation",
        "Section 3.1",
        "Dropout on the shortcut acts like a scale of 0.5, its expectation, and does not converge well either.",
        formula="E[dropout(x)] = 0.5 x",
        measures=("effective_lambda",),
        command="resunit propagation resnet110 --design dropout-shortcut",
        claims=("dropout-shortcut-acts-like-scaling", "dropout-shortcut-does-not-converge"),
    ),
    Statement(
        "optimisation-not-representation",
        "Section 3.2",
        "Gates and 1x1 convolutions could be the identity and more, and yet train worse: what fails is optimisation.",
        formula="h(x) = x for g(x) = 0 or W = 1",
        claims=(
            "exclusive-gating-6-trains-worse",
            "shortcut-only-gating-0-trains-worse",
            "conv-shortcut-trains-worse",
        ),
    ),
)

PLACEMENTS = (
    Statement(
        "bn-after-addition-alters-the-signal",
        "Section 4.1",
        "BN after the addition changes the signal that passes through the shortcuts.",
        measures=("f_scale", "f_r2"),
        command="resunit propagation resnet110 --design bn-after-addition",
    ),
    Statement(
        "bn-after-addition-slows",
        "Section 4.1",
        "With BN after the addition, training begins more slowly, and ends with higher errors.",
        claims=(
            "bn-after-addition-slows",
            "bn-after-addition-is-worse-resnet110",
            "bn-after-addition-is-worse-resnet164",
        ),
    ),
    Statement(
        "relu-before-addition-only-grows",
        "Section 4.1",
        "With ReLU before the addition no residual is negative, so the stream can only grow from unit to unit.",
        formula="x_{l+1} = x_l + F(x_l) >= x_l",
        measures=("branch_minimum", "branch_negative_share", "stream_growth"),
        command="resunit propagation resnet110 --design relu-before-addition",
        claims=("relu-before-addition-grows",),
    ),
    Statement(
        "relu-before-addition-is-worse",
        "Section 4.1",
        "That limits what the net can represent, and it ends worse than the baseline.",
        claims=("relu-before-addition-is-worse-resnet110", "relu-before-addition-is-worse-resnet164"),
    ),
    Statement(
        "relu-only-preactivation-is-similar",
        "Section 4.1",
        "ReLU-only pre-activation is about as good as the baseline.",
        claims=(
            "relu-only-preactivation-is-similar-resnet110",
            "relu-only-preactivation-is-similar-resnet164",
        ),
    ),
    Statement(
        "relu-only-preactivation-lacks-bn",
        "Section 4.1",
        "No BN precedes its ReLU, which takes the stream as large as it has become.",
        measures=WEIGHT_INPUT,
        command="resunit propagation resnet110 --design relu-only-preactivation",
    ),
    Statement(
        "full-preactivation-is-better",
        "Section 4.1",
        "With BN before that ReLU, full pre-activation, it is better than the baseline.",
        claims=(
            "full-preactivation-is-better-resnet110-1layer",
            "full-preactivation-is-better-resnet110",
            "full-preactivation-is-better-resnet164",
            "full-preactivation-is-better-resnet1001",
        ),
    ),
    Statement(
        "full-preactivation-gains-with-depth",
        "Section 4.1",
        "What full pre-activation gains grows with the depth of the net.",
        claims=("gain-grows-resnet110-resnet164", "gain-grows-resnet164-resnet1001"),
    ),
)

ANALYSIS = (
    Statement(
        "very-deep-learns-fast",
        "Section 4.2",
        "A net of 1001 layers learns fast from the beginning if f is the identity, and slowly if it is ReLU.",
        claims=("very-deep-falls-faster",),
    ),
    Statement(
        "very-deep-ends-lowest",
        "Section 4.2",
        "That net ends with the lowest training loss of all.",
        claims=("very-deep-ends-lowest",),
    ),
    Statement(
        "relu-harms-little-with-fewer-layers",
        "Section 4.2",
        "With fewer layers (164) f = ReLU slows the beginning a little, and training recovers.",
        claims=("relu-slows-very-deep-nets-more", "relu-recovers-with-fewer-layers"),
    ),
    Statement(
        "truncation-needs-a-very-negative-branch",
        "Section 4.2",
        "Behind f = ReLU the stream is not negative, so ReLU truncates only where a residual is very negative.",
        formula="y_l < 0 only if F(x_l) < -x_l <= 0",
        measures=("negative_share", "energy_cut"),
        command=ORIGINAL,
    ),
    Statement(
        "truncation-becomes-rarer",
        "Section 4.2",
        "After some training the weights have come into a state in which y is mostly above zero.",
        claims=("truncation-becomes-rarer-resnet110", "truncation-becomes-rarer-resnet164"),
    ),
    Statement(
        "truncation-grows-with-depth",
        "Section 4.2",
        "With 1000 layers ReLU truncates more often.",
        claims=("truncation-is-frequent-in-deep-nets",),
    ),
    Statement(
        "preactivation-regularises",
        "Section 4.2",
        "The pre-activation net ends with a slightly higher training loss and a lower test error.",
        claims=("preactivation-regularises-resnet110", "preactivation-regularises-resnet164"),
    ),
    Statement(
        "preactivation-normalises-what-weights-get",
        "Section 4.2",
        "In the original unit the next weight layer gets a sum that no BN normalises; with full pre-activation "
        "every weight layer gets normalised values.",
        measures=WEIGHT_INPUT,
        command=BOTH,
    ),
)

STATEMENTS: tuple[Statement, ...] = (*UNROLLED, *SHORTCUTS, *PLACEMENTS, *ANALYSIS)


def statements_of(claim: Claim) -> list[str]:
    """Return the names of the statements that a claim decides."""
    return [statement.name for statement in STATEMENTS if claim.id in statement.claims]
