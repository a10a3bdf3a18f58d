"""The direct term of Eqs. (5) and (8): the gradient that goes back through a stage and passes no branch.

It begins with dE/dx at the end of a stage. At each junction it goes through h alone, and between two
junctions through f and whatever else stands there. Each step is a vector-Jacobian product over the nodes
between two values. So all steps together visit the nodes of the shortcuts and of f once, which is less than
a backward pass. They are taken while the backward pass of the measurement arrives at each sum, when the
graph behind it is still there and dE/dx_l comes next.
"""

from collections.abc import Callable, Sequence

from torch import Tensor
from torch.autograd.graph import GradientEdge

from resunit.propagation.detect.found_junction import FoundJunction
from resunit.propagation.measures.cancellation import compare_by_sample
from resunit.propagation.measures.energies import Energies
from resunit.propagation.measures.junction_sums import JunctionSums
from resunit.propagation.measures.reached_streams import junctions_before, passed_between

# It is given the edges that gradients start from, with the gradients, and the edge where it is asked for.
Product = Callable[[Sequence[tuple[GradientEdge, Tensor]], GradientEdge], Tensor | None]
# It is given the number of a junction and a gradient of y_l; it returns the gradient of x_l through h.
ThroughShortcut = Callable[[int, Tensor], Tensor | None]
# It is given the gradient of a value that y_l is a view of; it returns that of y_l.
InPlaceOfSum = Callable[[Tensor], Tensor]


class DirectTerm:
    """Follows the direct term of every stage during one backward pass.

    Args:
        junctions: the known junctions.
        sums: the sums of the pass, by the numbers of the junctions; they are completed.
        product: it computes a vector-Jacobian product between two edges.
        through_shortcut: it computes a vector-Jacobian product of h.
        x: the edges of x_l, as far as they are known.
        start: the number of the junction at whose x the term begins; None for the ends of all stages.
        energies: it sums the squares of gradients.
    """

    def __init__(
        self,
        junctions: Sequence[FoundJunction],
        sums: dict[int, JunctionSums[Tensor]],
        product: Product,
        through_shortcut: ThroughShortcut,
        x: dict[int, GradientEdge],
        start: int | None,
        energies: Energies,
    ):
        self.junctions = junctions
        self.sums = sums
        self.product = product
        self.through_shortcut = through_shortcut
        self.x = x
        self.start = start
        self.energies = energies
        self.before: dict[int, int] = {}  # the junction before each one, in the same stage
        self.next_in_stage: dict[int, int] = {}
        self.y: dict[int, GradientEdge] = {}
        self.to_sum: dict[int, InPlaceOfSum] = {}
        self.leaving: dict[int, GradientEdge] = {}
        self.at_y: dict[int, Tensor] = {}  # the direct term at y_l
        self.at_y_without_f: dict[int, Tensor] = {}
        self.at_x: dict[int, Tensor] = {}  # the direct term at x_l, kept until dE/dx_l is known

    def release(self) -> None:
        """Let go of all tensors and edges."""
        for kept in (self.y, self.to_sum, self.leaving, self.at_y, self.at_y_without_f, self.at_x):
            kept.clear()

    def begin_backward(self) -> None:
        """Connect the junctions that the forward pass has reached."""
        self.before = junctions_before(self.junctions, self.sums)
        # A junction that the stream forks after passes the term of the last of those that follow it.
        self.next_in_stage = {before: number for number, before in self.before.items()}

    def take_sum(self, number: int, edge: GradientEdge, to_sum: InPlaceOfSum | None) -> None:
        """Take note of the edge of y_l, or of the value that it is a view of."""
        self.y[number] = edge
        if to_sum is not None:
            self.to_sum[number] = to_sum

    def take_leaving(self, number: int, edge: GradientEdge) -> None:
        """Take note of the edge of the value that leaves the unit, f included."""
        self.leaving[number] = edge

    def receive_at_end(self, number: int, gradient: Tensor) -> None:
        """Begin with the gradient of the value that leaves the last junction of a stage."""
        is_end = number in self.sums and number not in self.next_in_stage
        if self.start is None and is_end:
            self.sums[number].end_gradient = self.energies.of(gradient)
            self._begin(number, self.junctions[number].leaves is None, gradient)

    def receive_at_x(self, number: int, gradient: Tensor) -> None:
        """Compare the direct term with dE/dx_l, or begin with it."""
        before = self._before(number)
        if number == self.start and before is not None and not self._is_sum_before(number, before):
            self._begin_at_x(number, before, gradient)
        direct = self.at_x.pop(number, None)
        if direct is not None and direct.shape == gradient.shape:
            cancellation = compare_by_sample(direct, gradient, careful=self.energies.careful)
            if cancellation is not None:
                sums = self.sums[number]
                sums.cancellation_min = cancellation.minimum
                sums.cancellation_median = cancellation.median
                sums.cancellation_share = cancellation.share

    def receive_at_sum(
        self, number: int, arriving: Tensor, gradient: Tensor, through_h: Tensor | None
    ) -> None:
        """Go from y_l through h to x_l, and on to the sum before it.

        Args:
            number: the number of the junction.
            arriving: the gradient of the value whose edge was taken for that of y_l.
            gradient: dE/dy_l.
            through_h: the gradient of x_l through h, given `gradient`.
        """
        following = self.next_in_stage.get(number)
        if following is not None and following == self.start and self._is_sum_before(following, number):
            self._begin_at_x(following, number, arriving)
        if self.junctions[number].leaves is None:
            self.receive_at_end(number, gradient)
        direct = self.at_y.pop(number, None)
        without_f = self.at_y_without_f.pop(number, None)
        at_x = through_h if direct is gradient else None
        if direct is not None and direct is not gradient:
            at_x = self.through_shortcut(number, direct)
        if at_x is not None:
            self.sums[number].direct_term = self.energies.of(at_x)
            self.at_x[number] = at_x
        before = self._before(number)
        if before is not None and at_x is not None:
            at_y = self._to_sum_before(number, before, at_x)
            if at_y is not None:
                self.at_y[before] = at_y
        if without_f is not None:
            self._go_on_without_f(number, without_f, direct, at_x, gradient)

    def _go_on_without_f(
        self, number: int, without_f: Tensor, direct: Tensor | None, at_x: Tensor | None, gradient: Tensor
    ) -> None:
        """Do the same with h alone: what stands between two junctions is left out."""
        before = self._before(number)
        is_same = without_f is direct  # So far nothing stood between the junctions.
        if not is_same and without_f.shape != gradient.shape:
            return
        through_h = at_x if is_same else self.through_shortcut(number, without_f.to(gradient.dtype))
        if through_h is None:
            return
        self.sums[number].shortcut_term = self.energies.of(through_h)
        if before is None:
            return
        passed = passed_between(self.junctions, number, before)
        if not all(junction.follows_directly for junction in passed):
            at_y: Tensor | None = through_h
            for layout in (junction.previous_layout for junction in passed):
                at_y = None if layout is None or at_y is None else layout.undo(at_y)
            if at_y is not None:
                self.at_y_without_f[before] = at_y
        elif is_same and before in self.at_y:
            self.at_y_without_f[before] = self.at_y[before]
        elif (at_y := self._to_sum_before(number, before, through_h)) is not None:
            self.at_y_without_f[before] = at_y

    def _begin(self, number: int, is_sum: bool, gradient: Tensor) -> None:
        if is_sum:
            self.at_y[number] = self.at_y_without_f[number] = gradient
        elif number in self.y:
            self.at_y_without_f[number] = gradient
            leaving = self.leaving.get(number)
            at_y = None if leaving is None else self._product_at_sum(leaving, number, gradient)
            if at_y is not None:
                self.at_y[number] = at_y

    def _begin_at_x(self, number: int, before: int, gradient: Tensor) -> None:
        """Begin with dE/dx_L, where `number` stands for L."""
        if number in self.sums:
            self.sums[number].end_gradient = self.energies.of(gradient)
            if (at_y := self._to_sum_before(number, before, gradient)) is not None:
                self.at_y[before] = at_y

    def _is_sum_before(self, number: int, before: int) -> bool:
        """Return whether x_l is the sum y of the junction before."""
        return self.x.get(number, self) == self.y.get(before)

    def _before(self, number: int) -> int | None:
        before = self.before.get(number)
        return before if before is not None and self.next_in_stage.get(before) == number else None

    def _to_sum_before(self, number: int, before: int, gradient: Tensor) -> Tensor | None:
        """Return the gradient of the sum before x_l, given that of x_l."""
        if self._is_sum_before(number, before):
            return self._at_sum(before, gradient)
        if number not in self.x or before not in self.y:
            return None
        return self._product_at_sum(self.x[number], before, gradient)

    def _product_at_sum(self, of: GradientEdge, number: int, gradient: Tensor) -> Tensor | None:
        """Return the gradient of y_l, given that at the edge `of`."""
        product = self.product([(of, gradient)], self.y[number])
        return None if product is None else self._at_sum(number, product)

    def _at_sum(self, number: int, gradient: Tensor) -> Tensor:
        """Return the gradient of y_l, given that at the edge taken for it."""
        return gradient if number not in self.to_sum else self.to_sum[number](gradient)
