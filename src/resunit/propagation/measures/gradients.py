"""The backward pass at the known sites: dE/dy_l, dE/dx_l and its two terms, Eq. (5)."""

import math
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor
from torch.autograd.graph import GradientEdge, get_gradient_edge
from torch.utils.hooks import RemovableHandle

from resunit.errors import PropagationError
from resunit.propagation.detect.sites import Site
from resunit.propagation.measures.reductions import difference_energy, energy, flats
from resunit.propagation.measures.sums import Sums


@dataclass(frozen=True)
class _Side:
    """One term of an addition: where its gradient goes, and what it is like."""

    edge: GradientEdge
    shape: torch.Size
    dtype: torch.dtype

    @classmethod
    def of(cls, term: Tensor) -> "_Side | None":
        return cls(get_gradient_edge(term), term.shape, term.dtype) if term.requires_grad else None

    def arriving(self, gradient: Tensor) -> Tensor:
        """Of the sum's gradient what the term gets: the addition may have broadcast it, or cast it up."""
        return gradient.sum_to_size(self.shape).to(self.dtype)


class Gradients:
    """Looks on by hooks that leave the gradients alone."""

    def __init__(self, sites: tuple[Site, ...], sums: dict[int, Sums[Tensor]], careful: bool):
        self.sites = sites
        self.sums = sums
        self.flats = partial(flats, careful=careful)
        self.next: defaultdict[int, list[int]] = defaultdict(list)  # sites whose x_l is this site's sum
        for number, site in enumerate(sites):
            if (before := site.sum_before) is not None:
                self.next[before].append(number)
        self.begins: list[GradientEdge] = []
        self.x: dict[int, GradientEdge] = {}
        self.terms: dict[int, tuple[_Side | None, _Side | None]] = {}  # of h and F
        self.direct: dict[int, Tensor] = {}  # direct terms that wait for the total gradient
        self.handles: list[RemovableHandle] = []

    def follow(self, loss: Tensor) -> None:
        """Go back from the loss to where the streams begin."""
        if not self.begins:
            return
        try:
            torch.autograd.grad(loss, self.begins, allow_unused=True)
        except RuntimeError as error:
            if "use_reentrant" in str(error):
                reason = "re-entrant checkpointing gives no gradients of activations; use use_reentrant=False"
            elif "during the original forward and recomputation" in str(error):
                reason = (
                    "a checkpoint computes other operations again than those of the forward pass, as of "
                    "functions that step aside while they are watched; measure without checkpointing"
                )
            elif "inplace operation" in str(error):
                reason = (
                    "the backward pass needs a value that the model overwrites in place; "
                    "write y = y + x where it says y += x, and leave inplace=True out"
                )
            else:
                reason = f"the model has no backward pass on these inputs: {str(error).splitlines()[0]}"
            raise PropagationError(reason) from error

    def let_go(self) -> None:
        """Remove the hooks, and let the graph be freed now rather than when Python looks for cycles."""
        for handle in self.handles:
            handle.remove()
        for kept in (self.begins, self.x, self.terms, self.direct):
            kept.clear()

    def _hook(self, tensor: Tensor, see: Callable[[Tensor], None]) -> None:
        def hook(gradient: Tensor | None) -> None:
            if gradient is not None:  # as of a part that the loss does not use
                with torch.no_grad():
                    see(gradient)

        if tensor.requires_grad:
            self.handles.append(tensor.register_hook(hook))

    def at_x(self, number: int, x: Tensor) -> None:
        if x.requires_grad:
            self.x[number] = get_gradient_edge(x)
            self._hook(x, lambda gradient: self._total(number, gradient))

    def at_addition(self, number: int, h: Tensor, f: Tensor) -> None:
        """Before the addition: the edges into it, while an addition in place has not yet moved them."""
        site = self.sites[number]
        if site.x_is_term and h.requires_grad:
            self.x[number] = get_gradient_edge(h)
            if site.sum_before not in self.sums:
                self._hook(h, lambda gradient: self._total(number, gradient))
        if site.previous not in self.sums and number in self.x:
            self.begins.append(self.x[number])
        self.terms[number] = _Side.of(h), _Side.of(f)

    def at_sum(self, number: int, y: Tensor) -> None:
        self._hook(y, lambda gradient: self._arriving(number, gradient))

    def before_truncation(self, number: int, value: Tensor) -> None:
        def see(gradient: Tensor) -> None:
            self.sums[number].activated_gradient = self._energy(gradient)

        truncation = self.sites[number].truncation
        if truncation is not None and truncation.before is not None:
            self._hook(value, see)

    def after_truncation(self, number: int, value: Tensor) -> None:
        def see(gradient: Tensor) -> None:
            self.sums[number].activation_gradient = self._energy(gradient)

        if number in self.sums:
            self._hook(value, see)

    def _energy(self, gradient: Tensor) -> Tensor:
        return energy(*self.flats(gradient))

    def _arriving(self, number: int, gradient: Tensor) -> None:
        """dE/dy_l: split it into what goes through h and, unless both add up to dE/dx_l, through F."""
        site, sums = self.sites[number], self.sums[number]
        sums.sum_gradient = self._energy(gradient)
        direct = self._through_shortcut(number, gradient)
        if direct is not None:
            sums.direct_gradient = self._energy(direct)
        if direct is not None and site.exact:
            self.direct[number] = direct
        elif (branch := self._product(self.terms[number][1], number, gradient)) is not None:
            sums.branch_gradient = self._energy(branch)
        for after in self.next[number]:
            self._total(after, gradient)

    def _through_shortcut(self, number: int, gradient: Tensor) -> Tensor | None:
        site = self.sites[number]
        h, _ = self.terms[number]
        if site.x_is_term:
            return gradient if h is None else h.arriving(gradient)
        same_size = site.x_shape is not None and math.prod(site.x_shape) == math.prod(site.shape)
        if site.kind == "identity" and same_size:
            return gradient
        return self._product(h, number, gradient)

    def _product(self, term: _Side | None, number: int, gradient: Tensor) -> Tensor | None:
        """The gradient at x_l that comes through one term alone."""
        if term is None or number not in self.x:
            return None
        with torch.enable_grad():
            (product,) = torch.autograd.grad(
                [term.edge], [self.x[number]], [term.arriving(gradient)],
                retain_graph=True, allow_unused=True,
            )  # fmt: skip
        return product

    def _total(self, number: int, gradient: Tensor) -> None:
        if (sums := self.sums.get(number)) is None:  # the pass skipped the addition
            return
        sums.input_gradient = self._energy(gradient)
        direct = self.direct.pop(number, None)
        if direct is not None and direct.numel() == gradient.numel():
            sums.branch_gradient = difference_energy(*self.flats(gradient, direct.reshape(gradient.shape)))
