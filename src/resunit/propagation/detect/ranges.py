"""The range of a value, from the operations that it is made by: what tells a gate is that it is bounded.

A sigmoid is a gate however it is written: `torch.sigmoid(z)`, `1 / (1 + exp(-z))`, `exp(z) / (1 + exp(z))`.
"""

import math
from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from resunit.propagation.detect.graph import Edge, Graph, Node, operation_of
from resunit.propagation.detect.layers import KEEPS_VALUES


class Range(NamedTuple):
    """The numbers from `low` to `high`, between which all elements of a value lie."""

    low: float
    high: float

    @property
    def is_bounded(self) -> bool:
        """Whether both ends are finite."""
        return math.isfinite(self.low) and math.isfinite(self.high)


ANY = Range(-math.inf, math.inf)
FINITE = Range(-1e30, 1e30)  # of a constant whose value the graph does not hold
MOST_STEPS = 12  # from a gate back to what it is a function of

# The operations whose results have one range, and those whose results have that of what they take.
FIXED = {
    "Sigmoid": Range(0, 1), "Hardsigmoid": Range(0, 1), "Softmax": Range(0, 1), "Tanh": Range(-1, 1),
    "Softplus": Range(0, math.inf), "LogSigmoid": Range(-math.inf, 0), "LogSoftmax": Range(-math.inf, 0),
}  # fmt: skip
SAME = (
    *KEEPS_VALUES, "Expand", "Repeat", "Select", "Slice", "Unbind", "Split", "SplitWithSizes", "Index", "Gather",
    "Flip", "Roll", "Mean", "Amax", "Amin", "UpsampleNearest2D", "UpsampleBilinear2D",
)  # fmt: skip


# The attributes that hold the lower and the upper bound of what a node returns.
BOUNDS = {
    "Hardtanh": ("_saved_min_val", "_saved_max_val"), "Clamp": ("_saved_min", "_saved_max"),
    "ClampMin": ("_saved_min", ""), "ClampMax": ("", "_saved_max"), "Relu": ("", ""),
}  # fmt: skip


class Ranges:
    """The ranges of the values of one graph.

    Args:
        graph: the graph.
        shifts: for the nodes of sums with a constant, the range of the constant, with the sign that it has there.
    """

    def __init__(self, graph: Graph, shifts: Mapping[Node, Range]):
        self._graph = graph
        self._shifts = shifts
        self._known: dict[Edge, tuple[Range, int]] = {}  # with the number of steps that were taken

    def of(self, value: Edge, steps: int = MOST_STEPS) -> Range:
        """Return the range of a value; all numbers if the operations before it do not tell."""
        found, taken = self._known.get(value, (ANY, -1))
        if found == ANY and taken < steps:  # More steps may tell more.
            found = self._compute(value[0], steps)
            self._known[value] = found, steps
        return found

    def _compute(self, node: Node, steps: int) -> Range:
        name, children = operation_of(node), self._graph.children[node]
        if name in FIXED:
            return FIXED[name]
        if name in (*BOUNDS, "Maximum", "Minimum"):
            return self._clamped(name, node, children, steps)
        if not steps or not children:
            return ANY
        first = self.of(children[0], steps - 1)
        if len(children) == 1:
            return self._of_one(name, node, first)
        if len(children) > 2:
            return ANY
        if name == "Div" and self._is_part_of(children[0], children[1], steps):
            return Range(0, 1)
        second = self.of(children[1], steps - 1)
        match name:
            case "Add":
                return _plus(first, second)
            case "Sub":
                return _plus(first, _times(second, Range(-1, -1)))
            case "Mul":
                return _times(first, second)
            case "Div":
                return _times(first, _reciprocal(second))
            case _:
                return ANY

    def _of_one(self, name: str, node: Node, taken: Range) -> Range:
        if name in SAME:
            return taken
        match name:
            case "Exp":
                return Range(*map(_exp, taken))
            case "Neg":
                return _times(taken, Range(-1, -1))
            case "Abs":
                return Range(0.0, max(map(abs, taken)))
            case "Sqrt":
                return Range(0.0, math.sqrt(max(0.0, taken.high)))
            case "Reciprocal":
                return _reciprocal(taken)
            case "Add" | "Sub" | "Rsub":
                is_second = node.next_functions[0][0] not in self._graph
                is_negative = name == "Rsub" or (name == "Sub" and is_second)
                return _plus(
                    _times(taken, Range(-1, -1)) if is_negative else taken, self._shifts.get(node, FINITE)
                )
            case "Mul" | "Div":
                factor = _factor_of(self._graph, node)
                if name == "Mul":
                    return _times(taken, factor)
                is_numerator = node.next_functions[0][0] in self._graph
                return (
                    _times(taken, _reciprocal(factor)) if is_numerator else _times(factor, _reciprocal(taken))
                )
            case "Pow":
                return _power(taken, _saved(node, "_saved_exponent"))
            case "Sum":
                count = math.prod(node._saved_self_sym_sizes)
                return _times(taken, Range(1, max(1, count)))
            case _:
                return ANY

    def _clamped(self, name: str, node: Node, children: list[Edge], steps: int) -> Range:
        taken = self.of(children[0], steps - 1) if steps and children else ANY
        if name in ("Maximum", "Minimum"):
            if len(children) != 1:
                return ANY
            is_first = node.next_functions[0][0] in self._graph
            constant = _range_of_constant(_saved(node, "_saved_other" if is_first else "_saved_self"))
            low, high = (constant.low, math.inf) if name == "Maximum" else (-math.inf, constant.high)
        else:
            of_low, of_high = BOUNDS[name]
            low = 0.0 if name == "Relu" else _bound(node, of_low, -math.inf)
            high = _bound(node, of_high, math.inf)
        return Range(min(max(taken.low, low), high), max(min(taken.high, high), low))

    def _is_part_of(self, part: Edge, whole: Edge, steps: int) -> bool:
        """Return whether a positive value is divided by a sum that it is a part of, as softmax is written out."""
        if self.of(part, steps - 1).low < 0:
            return False
        node = whole[0]
        while operation_of(node) in ("Expand", *KEEPS_VALUES) and len(self._graph.children[node]) == 1:
            node = self._graph.children[node][0][0]
        children = self._graph.children[node]
        if not any(self._is_same(part, child) for child in children):
            return False
        if operation_of(node) == "Sum":
            return True
        others = [self.of(child, steps - 1).low for child in children if not self._is_same(part, child)]
        shift = self._shifts.get(node, FINITE).low if len(children) == 1 else 0.0
        return operation_of(node) == "Add" and min([*others, shift]) >= 0

    def _is_same(self, one: Edge, other: Edge) -> bool:
        """Return whether two values are one, or the same function, such as exp, of one value."""
        while one != other:
            names = operation_of(one[0]), operation_of(other[0])
            children = self._graph.children[one[0]], self._graph.children[other[0]]
            if (
                names[0] != names[1]
                or names[0] not in ("Exp", "Neg")
                or any(len(own) != 1 for own in children)
            ):
                return False
            one, other = children[0][0], children[1][0]
        return True


def range_of_addend(value: object, sign: float = 1.0) -> Range | None:
    """Return the range of a constant that is added: a number or a tensor without gradient; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float | Tensor):
        return None
    found = _range_of_constant(value)
    return None if found == ANY else _times(found, Range(sign, sign))


def _range_of_constant(value: object) -> Range:
    if isinstance(value, int | float):
        return Range(float(value), float(value)) if math.isfinite(value) else ANY
    if type(value) is Tensor and value.is_floating_point() and value.numel():
        try:
            with torch.no_grad():
                low, high = (end.item() for end in torch.aminmax(value.detach()))
        except RuntimeError:  # Within torch.vmap nobody knows the numbers.
            return FINITE
        return Range(low, high) if math.isfinite(low) and math.isfinite(high) else ANY
    return FINITE


def _factor_of(graph: Graph, node: Node) -> Range:
    """Return the range of the constant in a product or quotient; a parameter may become any number."""
    if graph.parameters[node]:
        return FINITE
    is_first = node.next_functions[0][0] in graph
    return _range_of_constant(_saved(node, "_saved_other" if is_first else "_saved_self"))


def _saved(node: Node, attribute: str) -> object:
    """Return what a node keeps for its gradient, or None if it keeps nothing, or that was changed in place since."""
    try:
        return getattr(node, attribute, None)
    except RuntimeError:
        return None


def _bound(node: Node, attribute: str, without: float) -> float:
    """Return a bound that a node holds, or `without` if it holds none or one for each element."""
    value = _saved(node, attribute) if attribute else None
    return float(value) if isinstance(value, int | float) else without


def _exp(value: float) -> float:
    return math.exp(value) if value < 700 else math.inf


def _plus(one: Range, other: Range) -> Range:
    return Range(one.low + other.low, one.high + other.high)


def _times(one: Range, other: Range) -> Range:
    def product(a: float, b: float) -> float:
        return 0.0 if a == 0 or b == 0 else a * b

    ends = [product(a, b) for a in one for b in other]
    return Range(min(ends), max(ends))


def _reciprocal(of: Range) -> Range:
    if of.low <= 0 <= of.high:
        return ANY if of.low < 0 < of.high or of.low == of.high else _half_line(of)
    return Range(1 / of.high, 1 / of.low)


def _half_line(of: Range) -> Range:
    return Range(1 / of.high, math.inf) if of.high > 0 else Range(-math.inf, 1 / of.low)


def _power(of: Range, exponent: object) -> Range:
    if not isinstance(exponent, int | float):
        return ANY
    if exponent < 0:
        return _reciprocal(_power(of, -exponent))

    def apply(value: float) -> float:
        try:
            return value**exponent
        except OverflowError:
            return math.inf

    if of.low >= 0:
        return Range(apply(of.low), apply(of.high))
    return Range(0.0, apply(max(abs(of.low), abs(of.high)))) if exponent % 2 == 0 else ANY
