"""The forward pass at the known sites: sums over h, F, x and y as they come by."""

from collections import defaultdict
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor

from resunit.propagation.detect.additions import Term
from resunit.propagation.detect.sites import Capture, Crossings, Site
from resunit.propagation.detect.watching import Place, tensors_in
from resunit.propagation.measures.gradients import Gradients
from resunit.propagation.measures.reductions import difference_energy, energy, flats
from resunit.propagation.measures.sums import Sums


class Signals:
    """Watches a pass; `gradients` is told where the backward pass will come by."""

    def __init__(
        self, sites: tuple[Site, ...], sums: dict[int, Sums[Tensor]], gradients: Gradients, careful: bool
    ):
        self.sites = sites
        self.sums = sums
        self.gradients = gradients
        self.careful = careful
        self.flats = partial(flats, careful=careful)
        self.crossings = Crossings(sites)
        self.wanted: defaultdict[Place, list[tuple[Capture, Callable[[Tensor], None]]]] = defaultdict(list)
        for number, site in enumerate(sites):
            if site.x is not None:
                self._want(site.x, number, self._keep_x)
            if site.truncation is not None:
                if site.truncation.before is not None:
                    self._want(site.truncation.before, number, self._truncated)
                self._want(site.truncation.after, number, gradients.after_truncation)
        # Sums y_l that an f other than a truncation makes x_{l+1} of.
        self.needed_again = {
            site.previous
            for site in sites
            if site.previous is not None and site.previous_f
            if site.previous_f != ("relu",) or sites[site.previous].truncation is None
        }
        self.x: dict[int, tuple[Tensor, int]] = {}  # x_l and the version that it had
        self.y: dict[int, tuple[Tensor, int]] = {}
        self.expected: dict[int, Tensor] = {}  # the right side of Eq. (4), by the last site within

    def _want(self, capture: Capture, number: int, role: Callable[[int, Tensor], None]) -> None:
        self.wanted[capture.place].append((capture, lambda tensor: role(number, tensor)))

    def let_go(self) -> None:
        for kept in (self.wanted, self.x, self.y, self.expected):
            kept.clear()

    def on_function(self, place: Place, func: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        crossing = self.crossings.met(place, args, kwargs)
        if crossing is None:
            result = func(*args, **kwargs)
        else:
            result = self._junction(*crossing, lambda: func(*args, **kwargs))
        if place in self.wanted:
            self.on_passage(place, result)
        return result

    def on_passage(self, place: Place, value: Any) -> None:
        if place in self.wanted:
            tensors = list(tensors_in(value))
            for capture, role in self.wanted[place]:
                if capture.position < len(tensors):
                    role(tensors[capture.position])

    def _keep_x(self, number: int, x: Tensor) -> None:
        site = self.sites[number]
        kept = x.detach().clone() if site.x is not None and site.x.copy else x.detach()
        self.x[number] = kept, kept._version
        self.gradients.at_x(number, x)

    def _junction(self, number: int, shortcut: Term, branch: Term, add: Callable[[], Tensor]) -> Tensor:
        site = self.sites[number]
        with torch.enable_grad():  # before the addition, which may be in place
            h, f = shortcut.value(), branch.value()
        self.gradients.at_addition(number, h, f)
        with torch.no_grad():
            h, f = h.detach(), f.detach()
            if h.shape != f.shape:
                h, f = torch.broadcast_tensors(h, f)
            flat_h, flat_f = self.flats(h, f)
            shortcut_energy, branch_energy = energy(flat_h), energy(flat_f)
            shortcut_branch_product = torch.dot(flat_h, flat_f)
            input_energy, shortcut_input_product = None, None
            x = h if site.x_is_term else self._current(self.x.pop(number, None), h)
            if x is not None and not site.x_is_term:
                flat_h, flat_x = self.flats(h, x)
                input_energy, shortcut_input_product = energy(flat_x), torch.dot(flat_h, flat_x)
            if x is not None and site.previous in self.y:
                self._activation(site.previous, x)
            expected = self._expected(site, x, f)
        result = add()
        with torch.no_grad():
            y = result.detach()
            (flat_y,) = self.flats(y)
            low, high = torch.aminmax(flat_y)
            self.sums[number] = Sums(
                shape=tuple(y.shape),
                shortcut_energy=shortcut_energy,
                branch_energy=branch_energy,
                shortcut_branch_product=shortcut_branch_product,
                sum_energy=energy(flat_y),
                sum_peak=torch.maximum(high, -low),
                input_energy=input_energy,
                shortcut_input_product=shortcut_input_product,
                nonfinite_share=1 - flat_y.isfinite().float().mean() if self.careful else None,
            )
            self._keep_sum(number, y, expected)
        self.gradients.at_sum(number, result)
        return result

    def _current(self, kept: tuple[Tensor, int] | None, like: Tensor) -> Tensor | None:
        """A kept tensor in the shape of `like`, unless it was overwritten since or has another size."""
        if kept is None or kept[0]._version != kept[1] or kept[0].numel() != like.numel():
            return None
        return kept[0].reshape(like.shape)

    def _activation(self, previous: int, x: Tensor) -> None:
        """What f leaves of the sum before: the product of x_{l+1} and y_l, and the energy of x_{l+1}."""
        y = self._current(self.y.pop(previous), x)
        if y is not None:
            flat_x, flat_y = self.flats(x, y)
            self.sums[previous].output_energy = energy(flat_x)
            self.sums[previous].output_sum_product = torch.dot(flat_x, flat_y)

    def _expected(self, site: Site, x: Tensor | None, f: Tensor) -> Tensor | None:
        """x_l + F(x_l) + ... + F(x_i) so far, Eq. (4); None if no stream of this size reaches the site."""
        if (before := site.previous) is not None:
            so_far = self.expected.pop(before, None)
            in_stage = self.sites[before].stage == site.stage
            if so_far is not None and in_stage and so_far.numel() == f.numel():
                return so_far.reshape(f.shape).add_(f)
        return None if x is None else x.to(torch.promote_types(x.dtype, torch.float32)) + f

    def _keep_sum(self, number: int, y: Tensor, expected: Tensor | None) -> None:
        """Compare y_l with what is `expected`, and keep what the junctions after it are compared with."""
        site = self.sites[number]
        if expected is None:
            self.expected[number] = y.to(torch.promote_types(y.dtype, torch.float32), copy=True)
        else:
            self.sums[number].closure_energy = difference_energy(*self.flats(y.to(expected.dtype), expected))
            self.expected[number] = expected
        if site.truncation is not None and site.truncation.before is None:
            self._truncated(number, y)
        if number in self.needed_again:
            self.y[number] = y, y._version

    def _truncated(self, number: int, value: Tensor) -> None:
        """What the activation after the addition is going to set to zero."""
        if (sums := self.sums.get(number)) is None:  # this pass skips the addition
            return
        with torch.no_grad():
            (flat,) = self.flats(value)
            negative = torch.clamp(flat, max=0)
            sums.cut_energy, sums.activated_energy = energy(negative), energy(flat)
            sums.negative_share = torch.lt(flat, 0, out=negative).sum() / max(1, flat.numel())
        self.gradients.before_truncation(number, value)
