"""The sums that one pass collects at each junction."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from torch import Tensor

from resunit.propagation.measures.reductions import to_numbers

Value = TypeVar("Value", Tensor, float)


@dataclass
class JunctionSums(Generic[Value]):
    """The sums at one junction y_l = h(x_l) + F(x_l), on the device during the pass and numbers after it.

    An energy is a sum of squares. z is what the activation after the addition takes: y_l, or what a norm
    makes of it. None stands for what the pass did not show.
    """

    shape: tuple[int, ...]  # of y_l
    shortcut_energy: Value  # ||h||^2
    branch_energy: Value  # ||F||^2
    shortcut_branch_product: Value  # <h, F>
    sum_energy: Value  # ||y_l||^2
    sum_peak: Value  # max |y_l|
    input_energy: Value | None = None  # ||x_l||^2, if h is not x_l itself
    shortcut_input_product: Value | None = None  # <h, x_l>
    output_energy: Value | None = None  # ||x_{l+1}||^2, if f is more than a truncation
    output_sum_product: Value | None = None  # <x_{l+1}, y_l>
    closure_energy: Value | None = None  # ||y_l - (x_k + F_k + ... + F_l)||^2, Eq. (4)
    nonfinite_share: Value | None = None  # of y_l, in a careful pass
    activated_energy: Value | None = None  # ||z||^2
    cut_energy: Value | None = None  # ||min(z, 0)||^2
    negative_share: Value | None = None  # P(z < 0)
    sum_gradient: Value | None = None  # ||dE/dy_l||^2
    input_gradient: Value | None = None  # ||dE/dx_l||^2
    direct_gradient: Value | None = None  # ||the term of dE/dx_l through h||^2, Eq. (5)
    branch_gradient: Value | None = None  # ||the term of dE/dx_l through F||^2
    end_gradient: Value | None = None  # ||dE/dx||^2 where the direct term begins, at the end of the stage
    direct_term: Value | None = None  # ||the direct term at x_l||^2, through h and f
    shortcut_term: Value | None = None  # ||the same through h alone||^2
    cancellation_min: Value | None = None  # <rest, direct> / <direct, direct>, over the samples
    cancellation_median: Value | None = None
    cancellation_share: Value | None = None
    branch_minimum: Value | None = None  # min F
    branch_negative_share: Value | None = None  # of F
    weight_input_energy: Value | None = None  # the mean square of the first weight layer's input
    weight_input_mean: Value | None = None  # its mean
    weight_input_spread: Value | None = None  # the standard deviation of its channels' means
    activation_gradient: Value | None = None  # ||dE/d max(z, 0)||^2
    activated_gradient: Value | None = None  # ||dE/dz||^2, if z is not y_l


def sums_in_numbers(sums: Mapping[int, JunctionSums[Tensor]]) -> dict[int, JunctionSums[float]]:
    """Return the same sums as numbers, by junction, with one transfer from each device."""
    fields = [
        (junction, name, value)
        for junction, of_junction in sums.items()
        for name, value in vars(of_junction).items()
    ]
    numbers = iter(to_numbers([value for *_, value in fields if isinstance(value, Tensor)]))
    values: dict[int, dict[str, Any]] = {junction: {} for junction in sums}
    for junction, name, value in fields:
        values[junction][name] = next(numbers) if isinstance(value, Tensor) else value
    return {junction: JunctionSums(**of_junction) for junction, of_junction in values.items()}
