"""Summing over dE/dy_l, dE/dx_l and its two terms, Eq. (5), during the backward pass."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial

import torch
from torch import Tensor
from torch.autograd.graph import GradientEdge, get_gradient_edge
from torch.utils.hooks import RemovableHandle

from resunit.errors import PropagationError
from resunit.propagation.detect.found_junction import Detection
from resunit.propagation.detect.graph import Node, inputs_first
from resunit.propagation.detect.products import product
from resunit.propagation.measures.backward_errors import explain_backward
from resunit.propagation.measures.branch_products import affordable_branch_products
from resunit.propagation.measures.direct_term import DirectTerm, InPlaceOfSum
from resunit.propagation.measures.energies import Energies
from resunit.propagation.measures.junction_sums import JunctionSums
from resunit.propagation.measures.reductions import difference_energy, flatten_alike


@dataclass(frozen=True)
class _PartEdge:
    """The edge that the gradient of a part of h or F goes through, and the shape and type of the part."""

    edge: GradientEdge
    shape: torch.Size
    dtype: torch.dtype

    def gradient(self, sum_gradient: Tensor) -> Tensor:
        """Return the gradient of the part, which the addition may have broadcast or cast."""
        return sum_gradient.sum_to_size(self.shape).to(self.dtype)


def _edges_of(parts: Sequence[Tensor]) -> tuple[_PartEdge, ...]:
    """Return the edges of the parts that have gradients."""
    return tuple(
        _PartEdge(get_gradient_edge(part), part.shape, part.dtype) for part in parts if part.requires_grad
    )


class BackwardSums:
    """Sums during a backward pass, by hooks that leave the gradients as they are.

    A product of a vector and a Jacobian is a backward pass within the backward pass. It runs through the same
    graph, so it would fire the hooks again with a part of the gradient: each hook ignores all passes but the
    measured one.

    Args:
        detection: the known junctions.
        sums: the sums of the forward pass, by the numbers of the junctions; they are completed.
        careful: sum in double precision.
        start: the number of the junction at whose x the direct term begins; None for the ends of all stages.
    """

    def __init__(
        self,
        detection: Detection,
        sums: dict[int, JunctionSums[Tensor]],
        careful: bool,
        start: int | None = None,
    ):
        junctions = detection.junctions
        self.junctions = junctions
        self.sums = sums
        self.with_branch_product = affordable_branch_products(detection)
        self.flatten = partial(flatten_alike, careful=careful)
        self.with_sum_as_x: defaultdict[int, list[int]] = defaultdict(list)  # by the junction of the sum
        for number, junction in enumerate(junctions):
            if (before := junction.whose_sum_is_x) is not None:
                self.with_sum_as_x[before].append(number)
        self.stream_beginnings: list[GradientEdge] = []
        self.x: dict[int, GradientEdge] = {}
        self.parts: dict[int, tuple[tuple[_PartEdge, ...], tuple[_PartEdge, ...]]] = {}  # of h and of F
        self.direct: dict[int, Tensor] = {}  # direct terms, kept until dE/dx_l is known
        self.handles: list[RemovableHandle] = []
        self.graph_task: int | None = None  # the number that autograd gives the measured pass
        self.are_values_packed = False  # whether the nodes keep their values elsewhere, as checkpoints do
        self.root: Node = None  # the node of the loss
        self.energies = Energies(careful)
        self.direct_term = DirectTerm(
            junctions, sums, self._product, self._direct_term, self.x, start, self.energies
        )

    def run_backward(self, loss: Tensor) -> None:
        """Go back from the loss to where the streams begin.

        Raises:
            PropagationError: the network has no backward pass on these inputs.
        """
        if not self.stream_beginnings:
            return
        self.direct_term.begin_backward()
        self.root = loss.grad_fn
        try:
            torch.autograd.grad(loss, self.stream_beginnings, allow_unused=True)
        except RuntimeError as error:
            raise PropagationError(explain_backward(error, self.root)) from error

    def release(self) -> None:
        """Remove the hooks, and let the graph be freed now and not by the garbage collector."""
        for handle in self.handles:
            handle.remove()
        for kept in (self.stream_beginnings, self.x, self.parts, self.direct):
            kept.clear()
        self.energies.release()
        self.direct_term.release()
        self.root = None
        self.__dict__.pop("rank", None)
        del self.direct_term  # It knows this object, and a circle would be freed by the collector alone.

    def note_x(self, number: int, x: Tensor) -> None:
        """Take note of x_l."""
        if x.requires_grad:
            self.x[number] = get_gradient_edge(x)
            self._hook(x, lambda gradient: self._receive_x_gradient(number, gradient))

    def note_parts(self, number: int, h: Sequence[Tensor], f: Sequence[Tensor]) -> None:
        """Take note of the parts of h and F, before an addition in place moves their edges."""
        junction = self.junctions[number]
        if junction.x_is_addend and h[0].requires_grad:
            self.x[number] = get_gradient_edge(h[0])
            if junction.whose_sum_is_x not in self.sums:
                self._hook(h[0], lambda gradient: self._receive_x_gradient(number, gradient))
        if junction.previous not in self.sums and number in self.x:
            self.stream_beginnings.append(self.x[number])
        self.parts[number] = _edges_of(h), _edges_of(f)

    def note_sum(self, number: int, y: Tensor) -> None:
        """Take note of y_l."""
        base = y._base
        if not self.junctions[number].sum_is_base or base is None:
            self._take_sum(number, y)
        elif base.is_contiguous():
            place = y.size(), y.stride(), y.storage_offset()
            self._take_sum(number, base, lambda gradient: gradient.contiguous().as_strided(*place))

    def _take_sum(self, number: int, y: Tensor, to_sum: InPlaceOfSum | None = None) -> None:
        if y.requires_grad:
            self.direct_term.take_sum(number, get_gradient_edge(y), to_sum)
        self._hook(y, lambda gradient: self._receive_sum_gradient(number, gradient, to_sum))

    def note_truncation_input(self, number: int, z: Tensor) -> None:
        """Take note of what the activation after the addition takes."""

        def receive(gradient: Tensor) -> None:
            self.sums[number].activated_gradient = self._energy(gradient)

        truncation = self.junctions[number].truncation
        if truncation is not None and truncation.input is not None:
            self._hook(z, receive)

    def note_truncation_output(self, number: int, activated: Tensor) -> None:
        """Take note of what the activation after the addition returns."""

        def receive(gradient: Tensor) -> None:
            self.sums[number].activation_gradient = self._energy(gradient)

        if number in self.sums:
            self._hook(activated, receive)

    def note_leaving(self, number: int, leaving: Tensor) -> None:
        """Take note of the value that leaves the unit, f included."""
        if leaving.requires_grad:
            self.direct_term.take_leaving(number, get_gradient_edge(leaving))
            self._hook(leaving, lambda gradient: self.direct_term.receive_at_end(number, gradient))

    def _hook(self, tensor: Tensor, receive: Callable[[Tensor], None]) -> None:
        def hook(gradient: Tensor | None) -> None:
            # The gradient of a part that the loss does not use is None.
            if gradient is not None and self._is_in_measured_pass():
                with torch.no_grad():
                    receive(gradient)

        if tensor.requires_grad:
            self.handles.append(tensor.register_hook(hook))

    def _is_in_measured_pass(self) -> bool:
        """Return whether a hook is fired by the measured pass, whose hooks fire first, or by a product."""
        task = torch._C._current_graph_task_id()
        if self.graph_task is None:
            self.graph_task = task
        return task == self.graph_task

    def _energy(self, gradient: Tensor) -> Tensor:
        return self.energies.of(gradient)

    def _receive_sum_gradient(self, number: int, arriving: Tensor, to_sum: InPlaceOfSum | None) -> None:
        """Split dE/dy_l into the terms of dE/dx_l through h and through F.

        If the two terms add up to dE/dx_l, the term through F is the rest of it, which costs no product.

        Args:
            number: the number of the junction.
            arriving: the gradient of the value that the network goes on with.
            to_sum: it takes dE/dy_l from this gradient, if y_l is a view of that value.
        """
        junction, sums = self.junctions[number], self.sums[number]
        gradient = arriving if to_sum is None else to_sum(arriving)
        sums.sum_gradient = self._energy(gradient)
        for following in self.with_sum_as_x[number]:
            self._receive_x_gradient(following, arriving)
        direct = self._direct_term(number, gradient)
        if direct is not None:
            sums.direct_gradient = self._energy(direct)
        if direct is not None and junction.exact:
            self.direct[number] = direct
        elif number in self.with_branch_product:
            sums.branch_gradient = self._branch_energy(number, gradient)
        self.direct_term.receive_at_sum(number, arriving, gradient, direct)

    def _branch_energy(self, number: int, gradient: Tensor) -> Tensor | None:
        branch_x = self.junctions[number].branch_x
        x = self.x.get(number if branch_x is None else branch_x)
        branch = self._through(self.parts[number][1], x, gradient)
        return None if branch is None else self._energy(branch)

    def _direct_term(self, number: int, gradient: Tensor) -> Tensor | None:
        """Return the gradient of x_l through h, given that of y_l."""
        h, _ = self.parts[number]
        if self.junctions[number].x_is_addend:
            return h[0].gradient(gradient) if h else gradient
        return self._through(h, self.x.get(number), gradient)

    def _through(self, parts: Sequence[_PartEdge], x: GradientEdge | None, gradient: Tensor) -> Tensor | None:
        """Return the gradient of x_l through h or F alone, given that of y_l."""
        if not parts or x is None:
            return None
        return self._product([(part.edge, part.gradient(gradient)) for part in parts], x)

    def _product(self, of: Sequence[tuple[GradientEdge, Tensor]], by: GradientEdge) -> Tensor | None:
        """Return the gradient at the edge `by`, given those at later edges."""
        if self.are_values_packed:  # What a node needs may be had once in each backward pass.
            edges, gradients = zip(*of, strict=True)
            with torch.enable_grad():
                return torch.autograd.grad(edges, [by], gradients, retain_graph=True, allow_unused=True)[0]
        later = [((edge.node, edge.output_nr), gradient) for edge, gradient in of]
        return product(later, (by.node, by.output_nr), self.rank)

    @cached_property
    def rank(self) -> dict[Node, int]:
        """The position of each node of the graph in an order of computation."""
        return {node: rank for rank, node in enumerate(inputs_first([self.root]))}

    def _receive_x_gradient(self, number: int, gradient: Tensor) -> None:
        if (sums := self.sums.get(number)) is None:  # This pass does not add at the junction.
            return
        sums.input_gradient = self._energy(gradient)
        self.direct_term.receive_at_x(number, gradient)
        direct = self.direct.pop(number, None)
        if direct is not None and direct.numel() == gradient.numel():
            sums.branch_gradient = difference_energy(*self.flatten(gradient, direct.reshape(gradient.shape)))
