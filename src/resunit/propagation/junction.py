"""One junction as it was measured."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Literal

ShortcutKind = Literal["identity", "scale", "gate", "projection", "operations"]


@dataclass(frozen=True)
class Junction:
    """One junction y_l = h(x_l) + F(x_l), x_{l+1} = f(y_l), Eqs. (1)-(2), as it was measured on one batch.

    E is the loss, and L is the last junction that its gradient reaches. Norms are Euclidean over the whole
    tensor, batch included.
    Shares lie between 0 and 1. A measure is None if it does not apply to the junction or could not be seen.

    Attributes:
        name: the module that adds, or where it adds more than once, the module that computes the branch.
        kind: what the shortcut h is: "identity", "scale", "gate", "projection" or "operations".
        operations: the torch functions that h consists of; () for the identity.
        f: the torch functions between y_l and x_{l+1} that belong to this unit: the after-addition activation.
        shared_preactivation: the torch functions that this unit computes for shortcut and branch alike before
            it splits into both paths.
        stage: the number of the stage, from 1. Within a stage f and h connect the junctions without a weight
            layer and without a change of size.
        shape: the shape of y_l.
        exact: whether x_l is used by h and F alone, so that the direct term and the branch term add up to
            dE/dx_l.
        effective_lambda: <h, x> / <x, x>, the scale of x that is nearest to h(x), Eq. (6); 1 for the
            identity. It is the derivative of h only where h(x) is a multiple of x, that is where lambda_r2
            is 1. A junction that changes the size has none.
        lambda_r2: <h, x>^2 / (<h, h> <x, x>), the share of h that this scale explains.
        f_scale: <x_{l+1}, y_l> / <y_l, y_l>, the same for f; 1 where the next junction takes y_l as it is.
        f_r2: <x_{l+1}, y_l>^2 / (<x_{l+1}, x_{l+1}> <y_l, y_l>), the share of x_{l+1} that this scale
            explains.
        branch_minimum: the smallest value of F. If it is not negative, the stream can only grow.
        branch_negative_share: the share of the values of F below zero.
        weight_input_rms: the root mean square of what the branch's first convolution or linear layer takes.
        weight_input_mean: its mean.
        weight_input_spread: the standard deviation of the means of its channels. Where a batch norm stands
            before the layer, rms, mean and spread are alike at all depths.
        branch_share: ||F|| / (||F|| + ||h||).
        cosine: <F, h> / (||F|| ||h||).
        stream_rms: the root mean square of y_l.
        stream_growth: ||y_l|| / ||x_l||, if both have the same size.
        closure_error: ||y_l - (x_k + F_k + ... + F_l)|| / ||y_l||, where the stage begins at x_k, Eq. (4).
        gradient_gain: ||dE/dx_l|| / ||dE/dy_L||.
        gradient_direct: the norm of the term of dE/dx_l through this unit's own h, over ||dE/dy_L||: Eq. (5)
            between neighbours, L = l + 1.
        gradient_branch: the norm of the term of dE/dx_l through this unit's own F, over ||dE/dy_L||.
        direct_gain: the norm of the direct term of Eqs. (5) and (8) at x_l, over ||dE/dx|| at the end of the
            stage. The direct term is the gradient that goes back from the end of the stage, passes h and f
            of each unit, and no branch. The end is the value that leaves the stage's last junction, f
            included.
        shortcut_gain: the same through h alone, without f: the norm of the product of the derivatives of h
            with dE/dx at the end of the stage. For constant scaling it is the product of lambda.
        cancellation_min: the smallest <rest, direct> / <direct, direct> of a sample, where direct is the
            direct term at x_l and rest is dE/dx_l minus it. A sample is an entry of the first dimension. At
            -1 the rest cancels the direct term; section 2 argues that this is unlikely for all samples.
        cancellation_median: the median over the samples.
        cancellation_share: the share of samples below -0.9.
        negative_share: P(y < 0), the share of values that an activation after the addition sets to zero.
        energy_cut: the share of the sum of squares that these values hold.
        gradient_blocked: the share of the gradient's sum of squares that this activation stops.
        nonfinite_share: the share of the values of y_l that are infinite or NaN.
        headroom_bf16: log2 of the largest bfloat16 number over max |y_l|, in bits.
        headroom_fp16: log2 of the largest float16 number over max |y_l|, in bits.
        loss_change: E without F_l minus E (on request, "lesion").
        singular_value: the largest singular value of the Jacobian dy_l / dx_l (on request, "jacobian").
        sample_correlation: the mean cosine of y_l between two samples (on request, "correlation").
        absent: for each measure that is None or not finite, why.
    """

    name: str
    kind: ShortcutKind
    operations: tuple[str, ...]
    f: tuple[str, ...]
    shared_preactivation: tuple[str, ...]
    stage: int
    shape: tuple[int, ...]
    exact: bool
    effective_lambda: float | None = None
    lambda_r2: float | None = None
    f_scale: float | None = None
    f_r2: float | None = None
    branch_minimum: float | None = None
    branch_negative_share: float | None = None
    weight_input_rms: float | None = None
    weight_input_mean: float | None = None
    weight_input_spread: float | None = None
    branch_share: float | None = None
    cosine: float | None = None
    stream_rms: float | None = None
    stream_growth: float | None = None
    closure_error: float | None = None
    gradient_gain: float | None = None
    gradient_direct: float | None = None
    gradient_branch: float | None = None
    direct_gain: float | None = None
    shortcut_gain: float | None = None
    cancellation_min: float | None = None
    cancellation_median: float | None = None
    cancellation_share: float | None = None
    negative_share: float | None = None
    energy_cut: float | None = None
    gradient_blocked: float | None = None
    nonfinite_share: float | None = None
    headroom_bf16: float | None = None
    headroom_fp16: float | None = None
    loss_change: float | None = None
    singular_value: float | None = None
    sample_correlation: float | None = None
    absent: Mapping[str, str] = field(default_factory=dict)


# The names of the attributes that hold a number or None.
MEASURES = tuple(attribute.name for attribute in fields(Junction) if attribute.default is None)
