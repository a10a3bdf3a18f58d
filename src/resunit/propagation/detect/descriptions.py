"""Describing each junction: its name, its stage, its shortcut, and what follows its sum."""

import math
from collections import Counter

from resunit.propagation.detect.after_addition import (
    AfterAddition,
    describe_f,
    find_f_at_the_end,
    split_between,
)
from resunit.propagation.detect.branches import Branch, count_nodes, first_weight_layers
from resunit.propagation.detect.dominators import PostDominators
from resunit.propagation.detect.found_junction import FoundJunction, Shape
from resunit.propagation.detect.graph import Edge, Graph, Node, operation_of
from resunit.propagation.detect.joined_addition import JoinedAddition
from resunit.propagation.detect.junction_names import name_junctions
from resunit.propagation.detect.layers import is_custom
from resunit.propagation.detect.layout import Layout, find_layout
from resunit.propagation.detect.recorder import ForwardRecorder
from resunit.propagation.detect.search import Junctions
from resunit.propagation.detect.stream import Previous, find_previous
from resunit.propagation.detect.weight_input import find_weight_input


class Describer:
    """Describes the junctions of one graph.

    Args:
        recorder: what the forward pass showed.
        graph: the graph of the forward pass.
        junctions: the junctions of the graph.

    Attributes:
        found: the described junctions.
        custom_functions_after: how often each custom autograd function follows an addition.
    """

    def __init__(self, recorder: ForwardRecorder, graph: Graph, junctions: Junctions):
        self.recorder = recorder
        self.graph = graph
        self.joined = junctions.joined
        self.dominators = junctions.splitter.dominators
        self.post_dominators = PostDominators(graph)
        self.number_of_sum = {joined.sum: number for number, joined in enumerate(self.joined)}
        self.previous: list[Previous] = []
        self.previous_f: list[tuple[Node, ...]] = []
        self.shared: list[tuple[Node, ...]] = []
        self.after: list[AfterAddition] = []
        self._follow_streams()
        self.branches = [self._branch_of(joined) for joined in self.joined]
        self.first_layers = first_weight_layers(graph, self.branches)
        pairs = zip(self.joined, self.branches, strict=True)
        self.branch_nodes = count_nodes(
            graph, {branch for joined, branch in pairs if not self._is_exact(joined)}
        )
        self.found: list[FoundJunction] = []
        self.custom_functions_after: Counter[str] = Counter()
        for number, name in enumerate(name_junctions(recorder, self.joined)):
            self.found.append(self._describe(number, name))

    def _follow_streams(self) -> None:
        """Find the previous junction of each junction, and what follows each sum."""
        following: dict[int, int] = {}
        for number, joined in enumerate(self.joined):
            x = joined.paths.shortcut.x
            previous = find_previous(self.graph, self.dominators, x, self.number_of_sum)
            f, shared = previous.between, ()
            if previous.number is not None:
                own = self.joined[previous.number].addition
                f, shared = split_between(self.recorder, previous.between, own, joined.addition)
                following.setdefault(previous.number, number)
            self.previous.append(previous)
            self.previous_f.append(f)
            self.shared.append(shared)
        for number, joined in enumerate(self.joined):
            if number in following:
                f = self.previous_f[following[number]]
            else:
                f_before = None if self.previous[number].number is None else self.previous_f[number]
                f = find_f_at_the_end(
                    self.graph, self.dominators, self.post_dominators, self.recorder, joined, f_before
                )
            self.after.append(describe_f(self.graph, self.recorder, joined.sum, f))

    def _describe(self, number: int, name: str) -> FoundJunction:
        joined = self.joined[number]
        addition, paths = joined.addition, joined.paths
        shortcut = paths.shortcut
        x_is_addend = shortcut.kind == "identity" and not shortcut.nodes
        x_shape = addition.shape if x_is_addend else self._shape_of(shortcut.x)
        previous, after = self.previous[number], self.after[number]
        layer = self.first_layers[number]
        if previous.number is not None and self.found[previous.number].truncation is None:
            self.custom_functions_after.update(
                {operation_of(node) for node in previous.between if is_custom(node)}
            )
        return FoundJunction(
            name=name,
            calls=joined.calls,
            kind=shortcut.kind,
            operations=self._functions_of(shortcut.nodes) if shortcut.kind != "identity" else (),
            x=None if x_is_addend else self.recorder.location_of(shortcut.x),
            x_is_addend=x_is_addend,
            exact=self._is_exact(joined),
            previous=previous.number,
            previous_f=self._functions_of(self.previous_f[number]),
            shared_preactivation=self._functions_of(self.shared[number]),
            f=self._functions_of(after.f),
            leaves=after.leaves,
            truncation=after.truncation,
            shape=addition.shape,
            x_shape=x_shape,
            x_layout=Layout() if x_is_addend else self._layout_of_shortcut(joined),
            previous_layout=self._layout_of_previous(previous, shortcut.x, x_shape),
            stage=self._stage_of(addition.shape, x_shape, previous.number),
            sum_is_base=joined.sum is not addition.sum,
            weight_input=layer
            and find_weight_input(self.graph, self.recorder, layer, self.branches[number].x),
            branch_x=None if joined.origin is None else self.number_of_sum[joined.origin],
            branch_nodes=self.branch_nodes.get(self.branches[number], 0),
        )

    def _branch_of(self, joined: JoinedAddition) -> Branch:
        begins = joined if joined.origin is None else self.joined[self.number_of_sum[joined.origin]]
        return Branch(begins.paths.shortcut.x, joined.paths.branch)

    def _is_exact(self, joined: JoinedAddition) -> bool:
        x = joined.paths.shortcut.x
        return joined.origin is None and self.post_dominators.post_dominates(joined.sum, x)

    def _shape_of(self, value: Edge) -> Shape | None:
        number = self.number_of_sum.get(value[0])
        return self.recorder.shapes.get(value) if number is None else self.joined[number].addition.shape

    def _layout_of_shortcut(self, joined: JoinedAddition) -> Layout | None:
        x, end, shape = joined.paths.shortcut.x, joined.paths.shortcut.end, joined.addition.shape
        is_broadcast = self._shape_of(x) == shape
        return find_layout(self.graph, x, end, self._shape_of, shape if is_broadcast else None)

    def _layout_of_previous(self, previous: Previous, x: Edge, x_shape: Shape | None) -> Layout | None:
        if previous.number is None:
            return None
        before = self.joined[previous.number]
        if before.sum is not before.addition.sum and not before.addition.is_in_order:
            return None
        return find_layout(self.graph, (before.sum, 0), x, self._shape_of, x_shape)

    def _stage_of(self, shape: Shape, x_shape: Shape | None, previous: int | None) -> int:
        """Return the stage of the previous junction if neither junction changes the size, else a new one."""
        if previous is not None and _size(x_shape) == _size(shape) == _size(self.found[previous].shape):
            return self.found[previous].stage
        return max((junction.stage for junction in self.found), default=0) + 1

    def _functions_of(self, nodes: tuple[Node, ...]) -> tuple[str, ...]:
        """Return the torch functions that made the nodes, in the order of the forward pass."""
        functions, inner = [], []
        for node in reversed(nodes):
            location = self.recorder.location_of((node, 0))
            if location is not None and location.call.function not in ("input", "output"):
                functions.append(location.call.function.strip("_"))
                inner = []  # The nodes before this one were steps within the function.
            elif is_custom(node):
                functions.append(operation_of(node))
            else:
                inner.append(operation_of(node).lower())
        return (*functions, *inner)


def _size(shape: Shape | None) -> int:
    return 0 if shape is None else math.prod(shape)
