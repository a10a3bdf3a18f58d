"""Where the elements of one value are in another one that transposes, rolls or views made of it."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from torch import Tensor

from resunit.propagation.detect.graph import Edge, Graph, Node, operation_of

Shape = tuple[int, ...]
# What these operations make of the order of the elements is not followed.
REORDERING = (
    "Index", "Gather", "Take", "Scatter", "Sort", "Cat", "Stack", "PixelShuffle", "PixelUnshuffle", "Unfold",
    "AsStrided", "CopySlices", "Repeat", "Im2Col", "Col2Im",
)  # fmt: skip
MOVING = ("View", "UnsafeView", "ReshapeAlias", "Transpose", "T", "Permute", "Roll", "Flip")
UNSIGNED = 1 << 64  # Autograd stores negative dimensions as unsigned numbers.


@dataclass(frozen=True)
class View:
    """The same elements in the same order, in another shape."""

    before: Shape
    after: Shape

    def apply(self, tensor: Tensor) -> Tensor | None:
        """Return the tensor in the new shape, for another batch size too; None if it does not fit."""
        shape = _resized(self.before, self.after, tuple(tensor.shape))
        return None if shape is None else tensor.reshape(shape)

    def inverse(self) -> "View":
        """Return the step that undoes this one."""
        return View(self.after, self.before)


@dataclass(frozen=True)
class Permutation:
    """The dimensions in another order."""

    dims: tuple[int, ...]

    def apply(self, tensor: Tensor) -> Tensor | None:
        """Return the tensor with its dimensions in the new order."""
        return tensor.permute(self.dims) if tensor.ndim == len(self.dims) else None

    def inverse(self) -> "Permutation":
        """Return the step that undoes this one."""
        return Permutation(tuple(self.dims.index(dim) for dim in range(len(self.dims))))


@dataclass(frozen=True)
class Roll:
    """The elements shifted along dimensions; without dimensions, along all of them as one."""

    shifts: tuple[int, ...]
    dims: tuple[int, ...]

    def apply(self, tensor: Tensor) -> Tensor | None:
        """Return the shifted tensor."""
        return tensor.roll(self.shifts, self.dims)

    def inverse(self) -> "Roll":
        """Return the step that undoes this one."""
        return Roll(tuple(-shift for shift in self.shifts), self.dims)


@dataclass(frozen=True)
class Flip:
    """The elements in reverse order along some dimensions."""

    dims: tuple[int, ...]

    def apply(self, tensor: Tensor) -> Tensor | None:
        """Return the reversed tensor."""
        return tensor.flip(self.dims)

    def inverse(self) -> "Flip":
        """Return the step that undoes this one, which is the same."""
        return self


Step = View | Permutation | Roll | Flip


@dataclass(frozen=True)
class Layout:
    """The steps that bring the elements of one value to their places in another one.

    Attributes:
        steps: what is done, in this order.
    """

    steps: tuple[Step, ...] = ()

    def apply(self, tensor: Tensor) -> Tensor | None:
        """Return a tensor in the layout of the other value, or None if its size does not fit."""
        moved: Tensor | None = tensor
        for step in self.steps:
            if moved is not None:
                moved = step.apply(moved)
        return moved

    def undo(self, tensor: Tensor) -> Tensor | None:
        """Return a tensor in the layout that the steps start from, or None if its size does not fit."""
        return Layout(tuple(step.inverse() for step in reversed(self.steps))).apply(tensor)


def find_layout(
    graph: Graph, start: Edge, end: Edge, shape_of: Callable[[Edge], Shape | None], end_shape: Shape | None
) -> Layout | None:
    """Return how the elements of one value lie in another one that is computed from it.

    Returns None if that is unknown, because an operation between the two changes sizes or reorders elements
    in a way that is not known here.

    Args:
        graph: the graph of the forward pass.
        start: the edge of the first value.
        end: the edge of the value that is computed from it alone.
        shape_of: a function that returns the shape of a value, if it is known.
        end_shape: the shape of the value at `end`, if it is known.
    """
    way = _way_back(graph, start, end, shape_of)
    if not way:
        return None if way is None else Layout()
    shape = shape_of(start)
    if shape is None or any(operation_of(node).startswith(REORDERING) for node, _ in way):
        return None
    if shape == end_shape and not any(operation_of(node) in MOVING for node, _ in way):
        return Layout()  # What lies in between may change sizes, but no element's place.
    steps: list[Step] = []
    for edge in way:
        after = end_shape if edge is way[-1] and end_shape is not None else shape_of(edge)
        if (step := _step_of(edge[0], shape)) is not None:
            steps.append(step)
            shape = tuple(shape[dim] for dim in step.dims) if isinstance(step, Permutation) else shape
        if after is not None and after != shape:
            if math.prod(after) != math.prod(shape):
                return None
            steps.append(View(shape, after))
            shape = after
    return Layout(tuple(steps))


def _way_back(
    graph: Graph, start: Edge, end: Edge, shape_of: Callable[[Edge], Shape | None]
) -> list[Edge] | None:
    """Return the values on one way from `start` to `end`, without `start`.

    Of several ways it is one that keeps all elements and moves them least, as x itself in 0.5 x + 0.5 roll(x).
    """
    before: dict[Node, Edge] = {}
    costs: dict[Node, tuple[int, int]] = {}  # how often the size changes on the way, and elements move

    def cost(value: Edge, child: Edge) -> tuple[int, int]:
        changes, moves = (0, 0) if child == start else costs[child[0]]
        own, taken = shape_of(value), shape_of(child)
        is_changed = own is not None and taken is not None and math.prod(own) != math.prod(taken)
        name = operation_of(value[0])
        return changes + is_changed, moves + (name in MOVING or name.startswith(REORDERING))

    for node in reversed(graph.between([end], start)):
        children = [child for child in graph.children[node] if child == start or child[0] in before]
        if children:
            before[node] = min(children, key=partial(cost, (node, 0)))
            costs[node] = cost((node, 0), before[node])
    way: list[Edge] = []
    edge = end
    while edge != start:
        if edge[0] not in before:
            return None
        way.append(edge)
        edge = before[edge[0]]
    return way[::-1]


def _step_of(node: Node, shape: Shape) -> Step | None:
    """Return what a node does to the order of the elements, or None if it keeps the order."""
    name, count = operation_of(node), len(shape)
    if name == "Transpose":
        dims = list(range(count))
        one, other = _signed(node._saved_dim0), _signed(node._saved_dim1)
        dims[one], dims[other] = dims[other], dims[one]
        return Permutation(tuple(dims))
    if name == "T":
        return Permutation(tuple(reversed(range(count))))
    if name == "Permute":
        return Permutation(tuple(_signed(dim) % count for dim in node._saved_dims))
    if name == "Roll":
        return Roll(tuple(node._saved_shifts), _all_signed(node._saved_dims))
    if name == "Flip":
        return Flip(_all_signed(node._saved_dims))
    return None


def _all_signed(dims: Sequence[int]) -> tuple[int, ...]:
    return tuple(map(_signed, dims))


def _signed(dim: int) -> int:
    return dim - UNSIGNED if dim >= UNSIGNED // 2 else dim


def _resized(before: Shape, after: Shape, actual: Shape) -> Shape | None:
    """Return the shape after a view for a tensor whose batch may have another size than before.

    Dimensions that the view merges or splits belong together; each group is resized on its own.
    """
    if actual == before:
        return after
    if len(actual) != len(before):
        return None
    resized: list[int] = []
    for old, new in _groups(before, after):
        size = math.prod(actual[old.start : old.stop])
        rest = math.prod(after[new.start + 1 : new.stop])
        if size % rest or (not new and size != 1):
            return None
        resized += [size // rest, *after[new.start + 1 : new.stop]] if new else []
    return tuple(resized) if math.prod(resized) == math.prod(actual) else None


def _groups(before: Shape, after: Shape) -> list[tuple[range, range]]:
    """Return the shortest stretches of dimensions of both shapes that hold equally many elements."""
    groups = []
    i = j = 0
    while i < len(before) or j < len(after):
        start_i, start_j = i, j
        left = right = 1
        while True:
            if i < len(before) and (left <= right or j == len(after)):
                left *= before[i]
                i += 1
            else:
                right *= after[j]
                j += 1
            if (left == right and i > start_i and j > start_j) or (i == len(before) and j == len(after)):
                break
        groups.append((range(start_i, i), range(start_j, j)))
    return groups
