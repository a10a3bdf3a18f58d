"""What a measurement says of each junction."""

from dataclasses import dataclass, fields

from resunit.propagation.detect.kinds import Kind

BF16_MAX = 3.3895e38
FP16_MAX = 65504.0


@dataclass(frozen=True)
class Junction:
    """One junction y_l = h(x_l) + F(x_l), x_{l+1} = f(y_l) of He et al. 2016, as measured on one batch.

    Norms are Euclidean over the whole tensor, batch included; shares lie in [0, 1]; E is the loss. None
    stands for what does not apply or could not be seen.

    Attributes:
        name: the module that adds, or where it adds more than once, the module that gave the branch.
        kind: what h is: "identity", "scale", "gate", "projection" or "operations".
        operations: the torch functions h is made of; () for the identity.
        f: the torch functions between y_l and the next junction's x_{l+1}, those that units share included.
        stage: counts the stretches of one size that f and h connect without a weight layer, from 1.
        shape: of y_l.
        exact: x_l has h and F as its only users, so that direct and branch gradient add up to dE/dx_l.
        effective_lambda: <h, x> / <x, x>, the scale that h(x) is closest to, Eq. (6); 1 for the identity.
        lambda_r2: <h, x>^2 / (<h, h> <x, x>), how much of h it explains.
        lambda_product: product of effective_lambda from the stage's first junction to this one, Eqs. (7)-(8);
            a junction that changes the size begins a stage and has no lambda.
        f_scale, f_r2: the same for f: <x_{l+1}, y_l> / <y_l, y_l>; 1 where nothing follows.
        path_product: product of effective_lambda and f_scale up to x_{l+1}: what is left of the input.
        branch_share: ||F|| / (||F|| + ||h||).
        cosine: <F, h> / (||F|| ||h||).
        stream_rms: root mean square of y_l. stream_growth: ||y_l|| / ||x_l||, of one size.
        closure_error: ||y_l - (x_k + sum of F from k to l)|| / ||y_l||, k where the stage begins: Eq. (4).
        gradient_gain: ||dE/dx_l|| / ||dE/dy_L||, L the last junction.
        gradient_direct: the norm of its term through h, Eq. (5), over ||dE/dy_L||.
        gradient_branch: the norm of its term through F, over ||dE/dy_L||.
        negative_share: of the values that an activation right after the addition sets to zero, P(y < 0).
        energy_cut: their share of the sum of squares.
        gradient_blocked: the share of the gradient's energy that this activation stops.
        nonfinite_share: of y_l: infinities and NaN.
        headroom_bf16, headroom_fp16: log2 of the format's largest number over max |y_l|, in bits.
        loss_change: E without F_l minus E ("lesion", on request).
        singular_value: the largest of the Jacobian dy_l / dx_l ("jacobian", on request).
        sample_correlation: mean cosine of y_l between two samples ("correlation", on request).
    """

    name: str
    kind: Kind
    operations: tuple[str, ...]
    f: tuple[str, ...]
    stage: int
    shape: tuple[int, ...]
    exact: bool
    effective_lambda: float | None = None
    lambda_r2: float | None = None
    lambda_product: float | None = None
    f_scale: float | None = None
    f_r2: float | None = None
    path_product: float | None = None
    branch_share: float | None = None
    cosine: float | None = None
    stream_rms: float | None = None
    stream_growth: float | None = None
    closure_error: float | None = None
    gradient_gain: float | None = None
    gradient_direct: float | None = None
    gradient_branch: float | None = None
    negative_share: float | None = None
    energy_cut: float | None = None
    gradient_blocked: float | None = None
    nonfinite_share: float | None = None
    headroom_bf16: float | None = None
    headroom_fp16: float | None = None
    loss_change: float | None = None
    singular_value: float | None = None
    sample_correlation: float | None = None


MEASURES = tuple(field.name for field in fields(Junction) if field.default is None)
