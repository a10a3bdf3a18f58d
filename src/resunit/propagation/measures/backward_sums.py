"""Summing over dE/dy_l, dE/dx_l and its two terms, Eq. (5), during the backward pass."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor
from torch.autograd.graph import GradientEdge, get_gradient_edge
from torch.utils.hooks import RemovableHandle

from resunit.errors import PropagationError
from resunit.propagation.detect.found_junction import FoundJunction
from resunit.propagation.measures.junction_sums import JunctionSums
from resunit.propagation.measures.reductions import difference_energy, energy, flatten_alike


@dataclass(frozen=True)
class _AddendEdge:
    """The edge that an addend's gradient goes through, and the shape and type of the addend."""

    edge: GradientEdge
    shape: torch.Size
    dtype: torch.dtype

    @classmethod
    def of(cls, addend: Tensor) -> "_AddendEdge | None":
        """Return the edge of an addend, or None if it has no gradient."""
        return cls(get_gradient_edge(addend), addend.shape, addend.dtype) if addend.requires_grad else None

    def gradient(self, sum_gradient: Tensor) -> Tensor:
        """Return the gradient of the addend, which the addition may have broadcast or cast."""
        return sum_gradient.sum_to_size(self.shape).to(self.dtype)


class BackwardSums:
    """Sums during a backward pass, by hooks that leave the gradients as they are.

    Args:
        junctions: the known junctions.
        sums: the sums of the forward pass, by the numbers of the junctions; they are completed.
        careful: sum in double precision.
    """

    def __init__(
        self, junctions: Sequence[FoundJunction], sums: dict[int, JunctionSums[Tensor]], careful: bool
    ):
        self.junctions = junctions
        self.sums = sums
        self.flatten = partial(flatten_alike, careful=careful)
        self.with_sum_as_x: defaultdict[int, list[int]] = defaultdict(list)  # by the junction of the sum
        for number, junction in enumerate(junctions):
            if (before := junction.whose_sum_is_x) is not None:
                self.with_sum_as_x[before].append(number)
        self.stream_beginnings: list[GradientEdge] = []
        self.x: dict[int, GradientEdge] = {}
        self.addends: dict[int, tuple[_AddendEdge | None, _AddendEdge | None]] = {}  # h and F
        self.direct: dict[int, Tensor] = {}  # direct terms, kept until dE/dx_l is known
        self.handles: list[RemovableHandle] = []

    def run_backward(self, loss: Tensor) -> None:
        """Go back from the loss to where the streams begin.

        Raises:
            PropagationError: the network has no backward pass on these inputs.
        """
        if not self.stream_beginnings:
            return
        try:
            torch.autograd.grad(loss, self.stream_beginnings, allow_unused=True)
        except RuntimeError as error:
            raise PropagationError(_explain(error)) from error

    def release(self) -> None:
        """Remove the hooks, and let the graph be freed now and not by the garbage collector."""
        for handle in self.handles:
            handle.remove()
        for kept in (self.stream_beginnings, self.x, self.addends, self.direct):
            kept.clear()

    def at_x(self, number: int, x: Tensor) -> None:
        """Take note of x_l."""
        if x.requires_grad:
            self.x[number] = get_gradient_edge(x)
            self._hook(x, lambda gradient: self._receive_x_gradient(number, gradient))

    def before_addition(self, number: int, h: Tensor, f: Tensor) -> None:
        """Take note of both addends, before an addition in place moves their edges."""
        junction = self.junctions[number]
        if junction.x_is_addend and h.requires_grad:
            self.x[number] = get_gradient_edge(h)
            if junction.whose_sum_is_x not in self.sums:
                self._hook(h, lambda gradient: self._receive_x_gradient(number, gradient))
        if junction.previous not in self.sums and number in self.x:
            self.stream_beginnings.append(self.x[number])
        self.addends[number] = _AddendEdge.of(h), _AddendEdge.of(f)

    def at_sum(self, number: int, y: Tensor) -> None:
        """Take note of y_l."""
        base = y._base
        if self.junctions[number].sum_is_base and base is not None and base.is_contiguous():
            place = y.size(), y.stride(), y.storage_offset()

            def receive(gradient: Tensor) -> None:
                self._receive_sum_gradient(number, gradient.contiguous().as_strided(*place))

            self._hook(base, receive)
        else:
            self._hook(y, lambda gradient: self._receive_sum_gradient(number, gradient))

    def at_truncation_input(self, number: int, z: Tensor) -> None:
        """Take note of what the activation after the addition takes."""

        def receive(gradient: Tensor) -> None:
            self.sums[number].activated_gradient = self._energy(gradient)

        truncation = self.junctions[number].truncation
        if truncation is not None and truncation.input is not None:
            self._hook(z, receive)

    def at_truncation_output(self, number: int, activated: Tensor) -> None:
        """Take note of what the activation after the addition returns."""

        def receive(gradient: Tensor) -> None:
            self.sums[number].activation_gradient = self._energy(gradient)

        if number in self.sums:
            self._hook(activated, receive)

    def _hook(self, tensor: Tensor, receive: Callable[[Tensor], None]) -> None:
        def hook(gradient: Tensor | None) -> None:
            if gradient is not None:  # The gradient of a part that the loss does not use is None.
                with torch.no_grad():
                    receive(gradient)

        if tensor.requires_grad:
            self.handles.append(tensor.register_hook(hook))

    def _energy(self, gradient: Tensor) -> Tensor:
        return energy(*self.flatten(gradient))

    def _receive_sum_gradient(self, number: int, gradient: Tensor) -> None:
        """Split dE/dy_l into the terms of dE/dx_l through h and through F.

        If the two terms add up to dE/dx_l, the term through F is the rest of it, which costs no product.
        """
        junction, sums = self.junctions[number], self.sums[number]
        sums.sum_gradient = self._energy(gradient)
        direct = self._direct_term(number, gradient)
        if direct is not None:
            sums.direct_gradient = self._energy(direct)
        if direct is not None and junction.exact:
            self.direct[number] = direct
        elif (branch := self._product(self.addends[number][1], number, gradient)) is not None:
            sums.branch_gradient = self._energy(branch)
        for following in self.with_sum_as_x[number]:
            self._receive_x_gradient(following, gradient)

    def _direct_term(self, number: int, gradient: Tensor) -> Tensor | None:
        junction = self.junctions[number]
        h, _ = self.addends[number]
        if junction.x_is_addend:
            return gradient if h is None else h.gradient(gradient)
        layout = junction.x_layout
        if junction.kind == "identity" and junction.keeps_size and layout is not None and layout.keeps_order:
            return gradient
        return self._product(h, number, gradient)

    def _product(self, addend: _AddendEdge | None, number: int, gradient: Tensor) -> Tensor | None:
        """Return the gradient of x_l through one addend alone."""
        if addend is None or number not in self.x:
            return None
        with torch.enable_grad():
            (product,) = torch.autograd.grad(
                [addend.edge], [self.x[number]], [addend.gradient(gradient)],
                retain_graph=True, allow_unused=True,
            )  # fmt: skip
        return product

    def _receive_x_gradient(self, number: int, gradient: Tensor) -> None:
        if (sums := self.sums.get(number)) is None:  # This pass does not add at the junction.
            return
        sums.input_gradient = self._energy(gradient)
        direct = self.direct.pop(number, None)
        if direct is not None and direct.numel() == gradient.numel():
            sums.branch_gradient = difference_energy(*self.flatten(gradient, direct.reshape(gradient.shape)))


def _explain(error: RuntimeError) -> str:
    if "use_reentrant" in str(error):
        return "re-entrant checkpointing gives no gradients of activations; use use_reentrant=False"
    if "during the original forward and recomputation" in str(error):
        return (
            "a checkpoint computes other operations again than those of the forward pass, as of "
            "functions that step aside while they are watched; measure without checkpointing"
        )
    if "inplace operation" in str(error):
        return (
            "the backward pass needs a value that the model overwrites in place; "
            "write y = y + x where it says y += x, and leave inplace=True out"
        )
    return (
        f"the model has no backward pass on these inputs ({str(error).splitlines()[0]}); "
        "make model(inputs) and loss.backward() run first"
    )
