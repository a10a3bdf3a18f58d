"""Finds the junctions of a network in one forward pass, without naming modules."""

import math
from collections import Counter
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import BackwardCFunction

from resunit.errors import PropagationError
from resunit.propagation.detect.graph import Edge, Graph, Node, Side
from resunit.propagation.detect.kinds import (
    Meeting,
    Shortcut,
    has_parameters,
    junction,
    operation,
    stream_before,
)
from resunit.propagation.detect.sightings import Addition, Sightings
from resunit.propagation.detect.sites import Detection, Site, Truncation
from resunit.propagation.detect.unseen import unseen
from resunit.propagation.detect.watching import Watch
from resunit.propagation.measures.losses import Loss, check_differentiable, loss_of
from resunit.propagation.measures.passes import Inputs, run

# Nodes of activations that set to zero what is below a number, and where a node keeps that number.
TRUNCATING = {
    "Relu": None,
    "Threshold": "_saved_threshold",
    "Hardtanh": "_saved_min_val",
    "Clamp": "_saved_min",
    "ClampMin": "_saved_min",
}


def detect(model: nn.Module, inputs: Any, targets: Any, loss: Loss | None) -> Detection:
    """Find the junctions of `model` in one forward pass on `inputs`; its state is the caller's to preserve.

    Raises PropagationError for what cannot be run or has no gradient.
    """
    with torch.enable_grad():
        given = Inputs.of(inputs)
    identifiers = [tensor for tensor in given.tensors() if not tensor.is_floating_point()]
    sightings = Sightings(identifiers)
    sightings.sources += [tensor.grad_fn for tensor in given.tensors() if tensor.is_floating_point()]
    with torch.enable_grad():
        with Watch(model, sightings.on_function, sightings.on_passage):
            output = run(model, given)
        value = loss_of(output, targets, loss)
    check_differentiable(value)
    graph = Graph(value.grad_fn, sightings.sources, sightings.unchanged)
    if not graph.children:
        raise PropagationError(
            "the loss does not depend on any tensor of the inputs; "
            "give them as tensors, or in tuples, lists and mappings"
        )
    return _Assembly(sightings, graph).detection()


class _Assembly:
    """Turns the additions of a pass into sites."""

    def __init__(self, sightings: Sightings, graph: Graph):
        self.sightings = sightings
        self.graph = graph
        self.seen: list[Addition] = []
        self.meetings: list[Meeting] = []
        self.number: dict[Node, int] = {}  # the sum's node -> the site
        self.custom_after: Counter[str] = Counter()  # custom autograd functions that follow additions

    def detection(self) -> Detection:
        candidates = [seen for seen in self.sightings.additions if seen.sum in self.graph]
        for seen in candidates:
            meeting = junction(self.graph, *seen.edges) or self.continued(seen)
            if meeting is not None:
                self.number[seen.sum] = len(self.seen)
                self.seen.append(seen)
                self.meetings.append(meeting)
        names = self.names()
        sites: list[Site] = []
        for number in range(len(self.seen)):
            sites.append(self.site(number, names[number], sites))
        hidden = unseen(self.sightings, self.graph, self.custom_after)
        return Detection(tuple(sites), tuple(hidden), len(candidates))

    def continued(self, seen: Addition) -> Meeting | None:
        """X + F(x) + G(x): the second addition goes on from the first one's sum: an identity."""
        for term in (0, 1):
            edges, others = seen.edges[term], seen.edges[1 - term]
            if len(edges) == 1 and (before := self.number.get(edges[0][0])) is not None:
                origin = self.meetings[before].shortcut.origin
                for meeting, *sides in self.graph.meeting_points(edges, others):
                    if meeting == origin:
                        sum_itself, branch = Side(edges), sides[1]
                        if not has_parameters(self.graph, branch):
                            return None
                        ordered = (sum_itself, branch) if term == 0 else (branch, sum_itself)
                        return Meeting(Shortcut("identity", edges[0], ()), term, ordered)
        return None

    def site(self, number: int, name: str, before: list[Site]) -> Site:
        seen, meeting = self.seen[number], self.meetings[number]
        shortcut, origin = meeting.shortcut, meeting.shortcut.origin
        outer = seen.factors[meeting.term]
        kind = shortcut.kind
        if isinstance(outer, Tensor):
            kind = "gate" if outer.requires_grad else "scale"
        elif outer != 1 and kind == "identity":
            kind = "scale"
        x_is_term = kind == "identity" and not shortcut.nodes
        x_shape = self.sightings.made[origin][1] if origin in self.sightings.made else None
        if x_is_term:
            x_shape = seen.shape
        link = stream_before(self.graph, origin, self.number)
        previous, between = link if link is not None else (None, ())
        if previous is not None and before[previous].truncation is None:
            taught = {operation(node) for node in between if isinstance(node, BackwardCFunction)}
            self.custom_after.update(taught)
        return Site(
            name=name,
            place=seen.place,
            term=meeting.term,
            kind=kind,
            operations=self.words(shortcut.nodes) if kind != "identity" else (),
            x=None if x_is_term else self.sightings.capture(origin),
            x_is_term=x_is_term,
            exact=self.is_exact(seen, meeting),
            previous=previous,
            previous_f=self.words(between),
            truncation=self.truncation(seen.sum),
            shape=seen.shape,
            x_shape=x_shape,
            stage=self.stage(seen, x_shape, previous, before),
        )

    def stage(
        self, seen: Addition, x_shape: tuple[int, ...] | None, previous: int | None, before: list[Site]
    ) -> int:
        """That of the junction before where neither it nor this one changes the size, else a new one."""
        if previous is not None and _size(x_shape) == _size(seen.shape) == _size(self.seen[previous].shape):
            return before[previous].stage
        return max((site.stage for site in before), default=0) + 1

    def is_exact(self, seen: Addition, meeting: Meeting) -> bool:
        """Do x_l, and all that is made of it on the way to the sum, serve this junction alone?"""
        graph, origin = self.graph, meeting.shortcut.origin
        between = sorted(
            {*meeting.sides[0].nodes, *meeting.sides[1].nodes}, key=lambda node: graph.rank[node]
        )
        made_of_x = set()
        users = list(graph.users_of_edge[origin])
        for node in between:
            if any(edge == origin or edge[0] in made_of_x for edge in graph.children[node]):
                made_of_x.add(node)
                users += graph.users[node]
        return all(user in made_of_x or user is seen.sum for user in users)

    def truncation(self, node: Node) -> Truncation | None:
        """The first activation that f applies to the sum, while nothing but f uses it."""
        edge: Edge = (node, 0)
        while len(users := self.graph.users_of_edge[edge]) == 1 and len(self.graph.children[users[0]]) == 1:
            edge = (users[0], 0)
            if _truncates(users[0]):
                before = self.graph.children[users[0]][0]
                after = self.sightings.capture(edge)
                into = None if before[0] is node else self.sightings.capture(before)
                if after is None or (into is None and before[0] is not node):
                    return None
                return Truncation(into, after)
            if "Norm" not in operation(users[0]):
                return None
        return None

    def words(self, nodes: tuple[Node, ...]) -> tuple[str, ...]:
        """Operations in the order of the forward pass, as they are called in torch."""
        names, inner = [], []
        for node in reversed(nodes):
            capture = self.sightings.capture((node, 0))
            if capture is not None and capture.place.function not in ("input", "output"):
                names.append(capture.place.function.strip("_"))
                inner = []  # these were steps of the function
            elif isinstance(node, BackwardCFunction):
                names.append(operation(node))
            else:
                inner.append(operation(node).lower())
        return (*names, *inner)

    def names(self) -> list[str]:
        """The junctions by the module that adds; where it adds several times, by their branches."""
        modules = Counter(seen.place.module for seen in self.seen)
        names = []
        for seen, meeting in zip(self.seen, self.meetings, strict=True):
            name = module = seen.place.module
            if modules[module] > 1:
                edges = meeting.sides[1 - meeting.term].edges
                branch = self.sightings.returned_by.get(edges[0][0], "") if edges else ""
                within = branch.startswith(f"{module}." if module else "") and branch != module
                name = branch if within and branch else module
            names.append(name or "(model)")
        repeated = Counter(names)
        met: Counter[str] = Counter()
        for i, name in enumerate(names):
            if repeated[name] > 1:
                met[name] += 1
                names[i] = f"{name}#{met[name]}"
        return names


def _truncates(node: Node) -> bool:
    """Does the activation set negative values, and no others below its upper bound, to zero?"""
    name = operation(node)
    return name in TRUNCATING and ((bound := TRUNCATING[name]) is None or getattr(node, bound) == 0)


def _size(shape: tuple[int, ...] | None) -> int:
    return 0 if shape is None else math.prod(shape)
