"""The measuring pass: one forward and one backward, with reductions at the known sites and nowhere else."""

import math
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import GradientEdge, get_gradient_edge
from torch.utils.hooks import RemovableHandle

from resunit.propagation.additions import Term, terms
from resunit.propagation.errors import PropagationError
from resunit.propagation.losses import Loss, check_differentiable, loss_of
from resunit.propagation.passes import Inputs, run
from resunit.propagation.reductions import difference_energy, energy, flats, to_numbers
from resunit.propagation.sites import Capture, Detection, Site
from resunit.propagation.watching import Place, Watch, tensors_in

Sums = dict[str, Tensor]  # of one site: energies ("h", "F", "x", "y"), products ("hF"), gradients ("g ...")


def collect(
    model: nn.Module,
    inputs: Any,
    targets: Any,
    loss: Loss | None,
    detection: Detection,
    *,
    count_nonfinite: bool = False,
) -> list[dict[str, float]]:
    """The sums of each site of `detection`, empty for a site that the pass did not come by.

    Weight gradients are not computed: autograd goes from the loss to where the streams begin and no further.
    """
    sums: list[Sums] = [{} for _ in detection.sites]
    gradients = _Gradients(detection.sites, sums)
    signals = _Signals(detection.sites, sums, gradients, count_nonfinite)
    try:
        with torch.enable_grad():
            given = Inputs.of(inputs)
            with Watch(model, signals.on_function, signals.on_passage):
                output = run(model, given)
            value = loss_of(output, targets, loss)
            check_differentiable(value)
            del output
            gradients.follow(value)
    finally:
        gradients.let_go()
        signals.let_go()
    return _numbers(sums)


def _numbers(sums: list[Sums]) -> list[dict[str, float]]:
    values = iter(to_numbers([value for of_site in sums for value in of_site.values()]))
    return [{name: next(values) for name in of_site} for of_site in sums]


def is_sum_before(site: Site) -> bool:
    """Is x_l, as it enters both paths, the very sum of the junction before?"""
    return site.x_is_term and site.previous is not None and not site.previous_f


class _Signals:
    """The forward pass: sums over h, F, x and y as they come by."""

    def __init__(
        self, sites: tuple[Site, ...], sums: list[Sums], gradients: "_Gradients", count_nonfinite: bool
    ):
        self.sites = sites
        self.sums = sums
        self.gradients = gradients
        self.count_nonfinite = count_nonfinite
        self.at = {site.place: number for number, site in enumerate(sites)}
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
            site.previous for site in sites if site.previous_f and site.previous_f != ("relu",)
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
        number = self.at.get(place)
        pair = None if number is None else terms(place.function, args, kwargs)
        if number is None or pair is None:
            result = func(*args, **kwargs)
        else:
            result = self._junction(number, pair, lambda: func(*args, **kwargs))
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

    def _junction(self, number: int, pair: tuple[Term, Term], add: Callable[[], Tensor]) -> Tensor:
        site, sums = self.sites[number], self.sums[number]
        shortcut, branch = pair[site.term], pair[1 - site.term]
        self.gradients.at_addition(number, shortcut, branch)
        with torch.no_grad():  # before the addition, which may be in place
            h, f = shortcut.value().detach(), branch.value().detach()
            if h.shape != f.shape:
                h, f = torch.broadcast_tensors(h, f)
            flat_h, flat_f = flats(h, f)
            sums["h"], sums["F"], sums["hF"] = energy(flat_h), energy(flat_f), torch.dot(flat_h, flat_f)
            x = h if site.x_is_term else self._current(self.x.pop(number, None), h)
            if x is not None and not site.x_is_term:
                flat_h, flat_x = flats(h, x)
                sums["x"], sums["hx"] = energy(flat_x), torch.dot(flat_h, flat_x)
            if x is not None and site.previous in self.y:
                self._activation(site.previous, x)
            expected = self._expected(site, x, f)
        result = add()
        with torch.no_grad():
            self._sum(number, result.detach(), expected)
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
            flat_x, flat_y = flats(x, y)
            self.sums[previous] |= {"f": energy(flat_x), "fy": torch.dot(flat_x, flat_y)}

    def _expected(self, site: Site, x: Tensor | None, f: Tensor) -> Tensor | None:
        """x_l + F(x_l) + ... + F(x_i) so far, Eq. (4); None if no stream of this size reaches the site."""
        before = None if site.previous is None else self.expected.pop(site.previous, None)
        if (
            before is not None
            and self.sites[site.previous or 0].stage == site.stage
            and before.numel() == f.numel()
        ):
            return before.reshape(f.shape).add_(f)
        return None if x is None else x.to(torch.promote_types(x.dtype, torch.float32)) + f

    def _sum(self, number: int, y: Tensor, expected: Tensor | None) -> None:
        site, sums = self.sites[number], self.sums[number]
        (flat_y,) = flats(y)
        sums["y"] = energy(flat_y)
        low, high = torch.aminmax(flat_y)
        sums["peak"] = torch.maximum(high, -low)
        if self.count_nonfinite:
            sums["nonfinite"] = 1 - flat_y.isfinite().float().mean()
        if expected is None:
            self.expected[number] = y.to(torch.promote_types(y.dtype, torch.float32), copy=True)
        else:
            sums["outside"] = difference_energy(*flats(y.to(expected.dtype), expected))
            self.expected[number] = expected
        if site.truncation is not None and site.truncation.before is None:
            self._truncated(number, y)
        if number in self.needed_again:
            self.y[number] = y, y._version

    def _truncated(self, number: int, value: Tensor) -> None:
        """What the activation after the addition is going to set to zero."""
        sums = self.sums[number]
        with torch.no_grad():
            (flat,) = flats(value)
            negative = torch.clamp(flat, max=0)
            sums["cut"], sums["uncut"] = energy(negative), energy(flat)
            sums["negative"] = torch.lt(flat, 0, out=negative).sum() / max(1, flat.numel())
        self.gradients.before_truncation(number, value)


class _Gradients:
    """The backward pass: dE/dy_l, dE/dx_l and its two terms, Eq. (5), in hooks that leave gradients alone."""

    def __init__(self, sites: tuple[Site, ...], sums: list[Sums]):
        self.sites = sites
        self.sums = sums
        self.next: defaultdict[int, list[int]] = defaultdict(list)  # sites whose x_l is this site's sum
        for number, site in enumerate(sites):
            if is_sum_before(site):
                self.next[site.previous or 0].append(number)
        self.begins: list[GradientEdge] = []
        self.x: dict[int, GradientEdge] = {}
        self.terms: dict[int, tuple[GradientEdge | None, GradientEdge | None, float | Tensor]] = {}
        self.direct: dict[int, Tensor] = {}  # direct terms that wait for the total gradient
        self.met: set[int] = set()
        self.handles: list[RemovableHandle] = []

    def follow(self, loss: Tensor) -> None:
        """Go back from the loss to where the streams begin."""
        if not self.begins:
            return
        try:
            torch.autograd.grad(loss, self.begins, allow_unused=True)
        except RuntimeError as error:
            if "use_reentrant" not in str(error):
                raise
            raise PropagationError(
                "re-entrant checkpointing gives no gradients of activations; use use_reentrant=False"
            ) from error

    def let_go(self) -> None:
        """Remove the hooks, and let the graph be freed now rather than when Python looks for cycles."""
        for handle in self.handles:
            handle.remove()
        for kept in (self.begins, self.x, self.terms, self.direct):
            kept.clear()

    def _hook(self, tensor: Tensor, see: Callable[[Tensor], None]) -> None:
        def hook(gradient: Tensor) -> None:
            with torch.no_grad():
                see(gradient)

        if tensor.requires_grad:
            self.handles.append(tensor.register_hook(hook))

    def at_x(self, number: int, x: Tensor) -> None:
        if x.requires_grad:
            self.x[number] = get_gradient_edge(x)
            self._hook(x, lambda gradient: self._total(number, gradient))

    def at_addition(self, number: int, shortcut: Term, branch: Term) -> None:
        """Before the addition: the edges into it, while an addition in place has not yet moved them."""
        site = self.sites[number]
        term = shortcut.inputs[0]
        if site.x_is_term and term.requires_grad:
            self.x[number] = get_gradient_edge(term)
            if site.previous not in self.met or not is_sum_before(site):
                self._hook(term, lambda gradient: self._total(number, gradient))
        if site.previous not in self.met and number in self.x:
            self.begins.append(self.x[number])
        edges = [
            get_gradient_edge(t.inputs[0]) if t.inputs[0].requires_grad else None for t in (shortcut, branch)
        ]
        self.terms[number] = edges[0], edges[1], shortcut.factor

    def at_sum(self, number: int, y: Tensor) -> None:
        self.met.add(number)
        self._hook(y, lambda gradient: self._arriving(number, gradient))

    def before_truncation(self, number: int, value: Tensor) -> None:
        truncation = self.sites[number].truncation
        if truncation is not None and truncation.before is not None:
            self._hook(value, lambda gradient: self._note(number, "g let through", gradient))

    def after_truncation(self, number: int, value: Tensor) -> None:
        self._hook(value, lambda gradient: self._note(number, "g arriving", gradient))

    def _note(self, number: int, name: str, gradient: Tensor) -> None:
        self.sums[number][name] = energy(*flats(gradient))

    def _arriving(self, number: int, gradient: Tensor) -> None:
        """dE/dy_l: split it into what goes through h and, unless both add up to dE/dx_l, through F."""
        site = self.sites[number]
        self._note(number, "g y", gradient)
        direct = self._through_shortcut(number, gradient)
        if direct is not None:
            self._note(number, "g direct", direct)
            if site.exact:
                self.direct[number] = direct
        if (
            not site.exact
            and len(self.terms[number])
            and (branch := self._through_branch(number, gradient)) is not None
        ):
            self._note(number, "g branch", branch)
        for after in self.next[number]:
            self._total(after, gradient)

    def _through_shortcut(self, number: int, gradient: Tensor) -> Tensor | None:
        site = self.sites[number]
        edge, _, factor = self.terms[number]
        if site.x_is_term:
            return gradient
        if (
            site.factor is not None
            and site.x_shape is not None
            and math.prod(site.x_shape) == math.prod(site.shape)
        ):
            return gradient if site.factor == 1 else site.factor * gradient
        return self._product(
            edge, number, gradient if isinstance(factor, float) and factor == 1 else factor * gradient
        )

    def _through_branch(self, number: int, gradient: Tensor) -> Tensor | None:
        return self._product(self.terms[number][1], number, gradient)

    def _product(self, edge: GradientEdge | None, number: int, gradient: Tensor) -> Tensor | None:
        """The gradient at x_l that comes through one term alone."""
        if edge is None or number not in self.x:
            return None
        with torch.enable_grad():
            (product,) = torch.autograd.grad(
                [edge], [self.x[number]], [gradient], retain_graph=True, allow_unused=True
            )
        return product

    def _total(self, number: int, gradient: Tensor) -> None:
        self._note(number, "g x", gradient)
        direct = self.direct.pop(number, None)
        if direct is not None and direct.numel() == gradient.numel():
            self.sums[number]["g branch"] = difference_energy(
                *flats(gradient, direct.reshape(gradient.shape))
            )
