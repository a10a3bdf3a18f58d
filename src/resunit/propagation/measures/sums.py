"""What a pass sums up at each junction, and the numbers that come of it in one transfer."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from torch import Tensor

from resunit.propagation.measures.reductions import to_numbers

Value = TypeVar("Value", Tensor, float)


@dataclass
class Sums(Generic[Value]):
    """At a junction y_l = h(x_l) + F(x_l): on the device while the pass runs, numbers after it.

    z is what the activation after the addition is given: y_l, or what a norm makes of it. None is what the
    pass did not come by.
    """

    shape: tuple[int, ...]  # of y_l
    shortcut_energy: Value  # ||h||^2
    branch_energy: Value  # ||F||^2
    shortcut_branch_product: Value  # <h, F>
    sum_energy: Value  # ||y_l||^2
    sum_peak: Value  # max |y_l|
    input_energy: Value | None = None  # ||x_l||^2, where h is not x_l itself
    shortcut_input_product: Value | None = None  # <h, x_l>
    output_energy: Value | None = None  # ||x_{l+1}||^2, where f is not a truncation alone
    output_sum_product: Value | None = None  # <x_{l+1}, y_l>
    closure_energy: Value | None = None  # ||y_l - (x_k + F_k + ... + F_l)||^2, Eq. (4)
    nonfinite_share: Value | None = None  # of y_l, in a careful pass
    activated_energy: Value | None = None  # ||z||^2
    cut_energy: Value | None = None  # ||min(z, 0)||^2
    negative_share: Value | None = None  # P(z < 0)
    sum_gradient: Value | None = None  # ||dE/dy_l||^2
    input_gradient: Value | None = None  # ||dE/dx_l||^2
    direct_gradient: Value | None = None  # ||its term through h||^2, Eq. (5)
    branch_gradient: Value | None = None  # ||its term through F||^2
    activation_gradient: Value | None = None  # ||dE/d max(z, 0)||^2
    activated_gradient: Value | None = None  # ||dE/dz||^2, where z is not y_l


def in_numbers(sums: Mapping[int, Sums[Tensor]]) -> dict[int, Sums[float]]:
    """The same by site, with one transfer a device."""
    fields = [(site, name, value) for site, at_site in sums.items() for name, value in vars(at_site).items()]
    numbers = iter(to_numbers([value for *_, value in fields if isinstance(value, Tensor)]))
    found: dict[int, dict[str, Any]] = {site: {} for site in sums}
    for site, name, value in fields:
        found[site][name] = next(numbers) if isinstance(value, Tensor) else value
    return {site: Sums(**at_site) for site, at_site in found.items()}
