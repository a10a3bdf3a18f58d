"""Finding the weight layers of a network without junctions, and whether a value passes any of them."""

from collections.abc import Sequence

from torch import Tensor

from resunit.propagation.detect.dominators import PostDominators
from resunit.propagation.detect.found_junction import FoundLayer
from resunit.propagation.detect.graph import Edge, Graph, Node, is_weight
from resunit.propagation.detect.junction_names import number_equal_names
from resunit.propagation.detect.layers import is_weight_layer
from resunit.propagation.detect.recorder import ForwardRecorder


def find_weight_layers(recorder: ForwardRecorder, graph: Graph) -> tuple[FoundLayer, ...]:
    """Return the weight layers in the order of execution; what torch computes as one function is one layer."""
    post_dominators = PostDominators(graph)
    of_result: dict[Edge, list[Node]] = {}
    for node in graph.children:
        if (
            is_weight_layer(graph, node)
            and (result := _returned(recorder, post_dominators, node)) is not None
        ):
            of_result.setdefault(result, []).append(node)
    results = sorted(of_result, key=recorder.time_of)
    locations = [location for result in results if (location := recorder.location_of(result)) is not None]
    names = number_equal_names([location.call.module or "(model)" for location in locations])
    bypasses = _Bypasses(graph, post_dominators)

    def passed_by(node: Node) -> str | None:
        # What passes a step of a recurrence goes to the next step, and past no layer.
        end = None if recorder.is_step_over_time(node) else bypasses.past(node)
        returned = None if end is None else _returned(recorder, post_dominators, end)
        location = None if returned is None else recorder.location_of(returned)
        return None if location is None else location.call.function.strip("_")

    return tuple(
        FoundLayer(
            name,
            location,
            recorder.shapes[result],
            _weights_of(graph, of_result[result]),
            next(filter(None, map(passed_by, of_result[result])), None),
        )
        for name, location, result in zip(names, locations, results, strict=True)
    )


def _returned(recorder: ForwardRecorder, post_dominators: PostDominators, node: Node) -> Edge | None:
    """Return the first value that a call returned and that everything computed by a node goes through."""
    current: Node | None = node
    while current is not None and recorder.location_of((current, 0)) is None:
        current = post_dominators.nearest((current, 0))
    return None if current is None else (current, 0)


def _weights_of(graph: Graph, nodes: Sequence[Node]) -> tuple[Tensor, ...]:
    weights = {id(weight): weight for node in nodes for weight in graph.parameters[node] if is_weight(weight)}
    return tuple(weights.values())


class _Bypasses:
    """Finds the ways without weights that lead past weight layers."""

    def __init__(self, graph: Graph, post_dominators: PostDominators):
        self._graph = graph
        self._post_dominators = post_dominators
        self._ends: dict[Edge, Node | None] = {}

    def past(self, layer: Node) -> Node | None:
        """Return the node in which a way past a layer ends, or None if there is no such way.

        The way begins at a value that the layer takes, or that this value is made of without weights.
        """
        graph = self._graph
        seen: set[Edge] = set()
        waiting = list(graph.children[layer])
        while waiting:
            value = waiting.pop()
            if value in seen:
                continue
            seen.add(value)
            end = self._end_of_way(value)
            if end is not None and graph.rank[end] > graph.rank[layer]:
                return end
            if not is_weight_layer(graph, value[0]):
                waiting += graph.children[value[0]]
        return None

    def _end_of_way(self, x: Edge) -> Node | None:
        """Return the node that everything computed from a value goes through, if a way without weights leads there."""
        if x not in self._ends:
            end = self._post_dominators.nearest(x)
            self._ends[x] = end if end is not None and self._leads_to(x, end) else None
        return self._ends[x]

    def _leads_to(self, x: Edge, end: Node) -> bool:
        graph = self._graph
        seen: set[Node] = set()
        waiting = list(graph.users_of_edge[x])
        while waiting:
            node = waiting.pop()
            if node is end:
                return True
            if node not in seen and graph.rank[node] < graph.rank[end] and not is_weight_layer(graph, node):
                seen.add(node)
                waiting += graph.users[node]
        return False
