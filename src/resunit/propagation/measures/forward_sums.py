"""Summing over h, F, x and y at the known junctions during the forward pass."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch._C._autograd import _top_saved_tensors_default_hooks

from resunit.propagation.detect.found_junction import FoundJunction, TensorLocation
from resunit.propagation.detect.layout import Layout
from resunit.propagation.forward.call_tracing import CallSite
from resunit.propagation.forward.nested import tensors_in
from resunit.propagation.measures.backward_sums import BackwardSums
from resunit.propagation.measures.junction_calls import JunctionCall, JunctionCalls
from resunit.propagation.measures.junction_sums import JunctionSums
from resunit.propagation.measures.reductions import difference_energy, energy, flatten_alike


class _Kept(NamedTuple):
    """A tensor of the pass, and the version that it had: changes in place increase the version."""

    tensor: Tensor
    version: int

    def laid_out_as(self, layout: Layout | None, like: Tensor) -> Tensor | None:
        """Return the tensor in the layout of `like`, or None if it has changed or does not fit."""
        if self.tensor._version != self.version:
            return None
        return _laid_out(self.tensor, layout, like)


def _laid_out(tensor: Tensor, layout: Layout | None, like: Tensor) -> Tensor | None:
    """Return a tensor in the layout of `like`, or None if the layout is unknown or does not fit."""
    moved = None if layout is None else layout.apply(tensor)
    if moved is None or moved.numel() != like.numel():
        return None
    return moved.reshape(like.shape)


class ForwardSums:
    """Sums during a forward pass; `on_call` and `on_module_boundary` are for a `CallTracer`.

    Args:
        junctions: the known junctions.
        sums: the sums are added to this mapping, by the numbers of the junctions.
        backward: it is told the tensors whose gradients it sums in the backward pass.
        careful: sum in double precision, and count the values that are not finite.
    """

    def __init__(
        self,
        junctions: Sequence[FoundJunction],
        sums: dict[int, JunctionSums[Tensor]],
        backward: BackwardSums,
        careful: bool,
    ):
        self.junctions = junctions
        self.sums = sums
        self.backward = backward
        self.careful = careful
        self.flatten = partial(flatten_alike, careful=careful)
        self.calls = JunctionCalls(junctions)
        self.wanted: defaultdict[CallSite, list[tuple[TensorLocation, Callable[[Tensor], None]]]]
        self.wanted = defaultdict(list)
        for number, junction in enumerate(junctions):
            if junction.x is not None:
                self._want(junction.x, number, self._keep_x)
            if junction.truncation is not None:
                if junction.truncation.input is not None:
                    self._want(junction.truncation.input, number, self._sum_truncation)
                self._want(junction.truncation.output, number, backward.note_truncation_output)
            if junction.leaves is not None:
                self._want(junction.leaves, number, backward.note_leaving)
            if junction.weight_input is not None:
                self._want(junction.weight_input.location, number, self._sum_weight_input)
        # The junctions whose sum y_l is compared with x_{l+1}, because f is more than a truncation.
        self.compared_with_next = {
            junction.previous
            for junction in junctions
            if junction.previous is not None and junction.previous_f and not junction.shared_preactivation
            if junction.previous_f != ("relu",) or junctions[junction.previous].truncation is None
        }
        self.x: dict[int, _Kept] = {}
        self.y: dict[int, _Kept] = {}
        self.weight_inputs: dict[int, tuple[Tensor, Tensor, Tensor]] = {}
        self.expected: dict[int, Tensor] = {}  # the right side of Eq. (4) up to a junction

    def _want(self, location: TensorLocation, number: int, receive: Callable[[int, Tensor], None]) -> None:
        self.wanted[location.call].append((location, lambda tensor: receive(number, tensor)))

    def release(self) -> None:
        """Let go of all tensors, so that the graph is freed now and not by the garbage collector."""
        for kept in (self.wanted, self.x, self.y, self.weight_inputs, self.expected):
            kept.clear()

    def on_call(self, site: CallSite, function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        """Call the function, sum if it adds at a junction, and return its result."""
        call = self.calls.recognise(site, args, kwargs)
        if _top_saved_tensors_default_hooks(False) is not None:
            self.backward.are_values_packed = True

        def compute() -> Any:
            return function(*args, **kwargs)

        result = compute() if call is None else self._add(call, compute)
        if site in self.wanted:
            self.on_module_boundary(site, result)
        return result

    def on_module_boundary(self, site: CallSite, value: Any) -> None:
        """Hand out the wanted tensors among the arguments or the result of a module."""
        if site in self.wanted:
            tensors = list(tensors_in(value))
            for location, receive in self.wanted[site]:
                if location.position < len(tensors):
                    receive(tensors[location.position])

    def _keep_x(self, number: int, x: Tensor) -> None:
        location = self.junctions[number].x
        is_overwritten = location is not None and location.is_overwritten
        kept = x.detach().clone() if is_overwritten else x.detach()
        self.x[number] = _Kept(kept, kept._version)
        self.backward.note_x(number, x)

    def _add(self, call: JunctionCall, original: Callable[[], Tensor]) -> Tensor:
        """Sum over the addends, add, and sum over the result."""
        number, junction = call.number, self.junctions[call.number]
        self.backward.note_parts(number, call.shortcut, call.branch)
        with torch.no_grad():
            h, f = call.h().detach(), call.f().detach()
            if h.shape != f.shape:
                h, f = torch.broadcast_tensors(h, f)
            flat_h, flat_f = self.flatten(h, f)
            whose_sum = junction.whose_sum_is_x
            before = None if whose_sum is None else self.sums.get(whose_sum)
            # Where h is the sum before it, its squares are summed already; a broadcast h has more values.
            is_summed = before is not None and before.shape == tuple(h.shape)
            shortcut_energy = before.sum_energy if before is not None and is_summed else energy(flat_h)
            branch_energy = energy(flat_f)
            shortcut_branch_product = torch.dot(flat_h, flat_f)
            branch_minimum = flat_f.min()
            branch_negative_share = torch.count_nonzero(flat_f < 0) / max(1, flat_f.numel())
            weight_input = self.weight_inputs.pop(number, (None, None, None))
            input_energy, shortcut_input_product = None, None
            kept = self.x.pop(number, None)
            x = (
                h
                if junction.x_is_addend
                else kept.laid_out_as(junction.x_layout, h)
                if kept is not None
                else None
            )
            if x is not None and not junction.x_is_addend:
                flat_h, flat_x = self.flatten(h, x)
                input_energy, shortcut_input_product = energy(flat_x), torch.dot(flat_h, flat_x)
            if junction.previous in self.y and (own := h if junction.x_is_addend else kept) is not None:
                self._compare_with_sum(junction, own.tensor if isinstance(own, _Kept) else own)
            expected = self._expected_sum(junction, x, f)
        result = original()
        with torch.no_grad():
            y = result.detach()
            (flat_y,) = self.flatten(y)
            low, high = torch.aminmax(flat_y)
            self.sums[number] = JunctionSums(
                shape=tuple(y.shape),
                shortcut_energy=shortcut_energy,
                branch_energy=branch_energy,
                shortcut_branch_product=shortcut_branch_product,
                sum_energy=energy(flat_y),
                sum_peak=torch.maximum(high, -low),
                input_energy=input_energy,
                shortcut_input_product=shortcut_input_product,
                branch_minimum=branch_minimum,
                branch_negative_share=branch_negative_share,
                weight_input_energy=weight_input[0],
                weight_input_mean=weight_input[1],
                weight_input_spread=weight_input[2],
                nonfinite_share=1 - flat_y.isfinite().float().mean() if self.careful else None,
            )
            self._keep_sum(number, y, expected)
        self.backward.note_sum(number, result)
        return result

    def _compare_with_sum(self, junction: FoundJunction, x: Tensor) -> None:
        """Sum over x_{l+1} and the sum y_l that f made it of."""
        if (previous := junction.previous) is None:
            return
        y = self.y.pop(previous).laid_out_as(junction.previous_layout, x)
        if y is not None:
            flat_x, flat_y = self.flatten(x, y)
            self.sums[previous].output_energy = energy(flat_x)
            self.sums[previous].output_sum_product = torch.dot(flat_x, flat_y)

    def _expected_sum(self, junction: FoundJunction, x: Tensor | None, f: Tensor) -> Tensor | None:
        """Return x_k + F_k + ... + F_l, Eq. (4), or None if no stream of this size reaches the junction."""
        if (before := junction.previous) is not None:
            so_far = self.expected.pop(before, None)
            in_stage = self.junctions[before].stage == junction.stage
            if so_far is not None and in_stage and so_far.numel() == f.numel():
                at_x = None if junction.previous_layout is None else junction.previous_layout.apply(so_far)
                at_sum = None if at_x is None else _laid_out(at_x, junction.x_layout, f)
                return None if at_sum is None else at_sum + f
        return None if x is None else x.to(torch.promote_types(x.dtype, torch.float32)) + f

    def _keep_sum(self, number: int, y: Tensor, expected: Tensor | None) -> None:
        """Compare y_l with the sum that Eq. (4) expects, and keep both for the next junctions."""
        if expected is None:
            self.expected[number] = y.to(torch.promote_types(y.dtype, torch.float32), copy=True)
        else:
            self.sums[number].closure_energy = difference_energy(
                *self.flatten(y.to(expected.dtype), expected)
            )
            self.expected[number] = expected
        if self._takes_sum(number):
            self._sum_truncation(number, y)
        if number in self.compared_with_next:
            self.y[number] = _Kept(y, y._version)

    def _sum_weight_input(self, number: int, value: Tensor) -> None:
        """Average over the input of the branch's first weight layer, and over each of its channels."""
        weight_input = self.junctions[number].weight_input
        assert weight_input is not None
        if value.numel() == 0 or value.ndim < -weight_input.channels or value.is_complex():
            return
        with torch.no_grad():
            (flat,) = self.flatten(value)
            channels = weight_input.channels % value.ndim
            others = [dim for dim in range(value.ndim) if dim != channels]
            means = value.detach().mean(others, dtype=flat.dtype) if others else value.detach().to(flat.dtype)
            self.weight_inputs[number] = (
                energy(flat) / flat.numel(),
                means.mean(),
                means.std(correction=0),
            )

    def _takes_sum(self, number: int) -> bool:
        """Return whether an activation after the addition takes the sum y_l itself."""
        truncation = self.junctions[number].truncation
        return truncation is not None and truncation.input is None

    def _sum_truncation(self, number: int, z: Tensor) -> None:
        """Sum over the values that the activation after the addition sets to zero."""
        if (sums := self.sums.get(number)) is None:  # This pass does not add at the junction.
            return
        with torch.no_grad():
            (flat,) = self.flatten(z)
            negative = torch.clamp(flat, max=0)
            sums.cut_energy = energy(negative)
            sums.activated_energy = sums.sum_energy if self._takes_sum(number) else energy(flat)
            sums.negative_share = torch.lt(flat, 0, out=negative).sum() / max(1, flat.numel())
        self.backward.note_truncation_input(number, z)
