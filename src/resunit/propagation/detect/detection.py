"""Finding the junctions of a network in one forward pass."""

import math
from collections import Counter
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import BackwardCFunction

from resunit.errors import PropagationError
from resunit.propagation.detect.after_addition import (
    AfterAddition,
    describe_f,
    find_f_at_the_end,
    split_between,
)
from resunit.propagation.detect.blind_spots import describe_blind_spots
from resunit.propagation.detect.found_junction import Detection, FoundJunction, Shape
from resunit.propagation.detect.graph import Graph, Node, Subgraph, operation_of
from resunit.propagation.detect.junction_names import name_junctions
from resunit.propagation.detect.recorder import Addition, ForwardRecorder
from resunit.propagation.detect.shortcut_kinds import (
    Shortcut,
    ShortcutAndBranch,
    has_parameters,
    split_addition,
)
from resunit.propagation.detect.stream import find_previous
from resunit.propagation.detect.weight_input import find_weight_input
from resunit.propagation.forward.call_tracing import CallTracer
from resunit.propagation.forward.inputs import Inputs, run_forward
from resunit.propagation.forward.loss import Loss, check_differentiable, compute_loss
from resunit.propagation.junction import ShortcutKind


def detect_junctions(model: nn.Module, inputs: Any, targets: Any, loss: Loss | None) -> Detection:
    """Find the junctions of `model` in one forward pass.

    The caller preserves the state of the model, and lets its parameters require gradients.

    Args:
        model: the network.
        inputs: a tensor, a tuple or list of arguments, or a mapping of keyword arguments.
        targets: what the loss compares the output with.
        loss: a function of output and targets that returns a scalar; None for the default loss.

    Raises:
        PropagationError: the network does not run on the inputs, or no gradient reaches the loss.
    """
    with torch.enable_grad():
        given = Inputs.of(inputs)
    recorder = ForwardRecorder([tensor for tensor in given.tensors() if not tensor.is_floating_point()])
    recorder.sources += [tensor.grad_fn for tensor in given.tensors() if tensor.is_floating_point()]
    with torch.enable_grad():
        with CallTracer(model, recorder.on_call, recorder.on_module_boundary):
            output = run_forward(model, given)
        value = compute_loss(output, targets, loss)
    check_differentiable(value)
    graph = Graph(value.grad_fn, recorder.sources, recorder.unchanged)
    if not graph.children:
        raise PropagationError(
            "the loss does not depend on any tensor of the inputs; "
            "give them as tensors, or in tuples, lists and mappings"
        )
    return _Detector(recorder, graph).detection()


class _Detector:
    """Decides which recorded additions are junctions, and describes them."""

    def __init__(self, recorder: ForwardRecorder, graph: Graph):
        self.recorder = recorder
        self.graph = graph
        self.additions: list[Addition] = []
        self.paths: list[ShortcutAndBranch] = []
        self.number_of_sum: dict[Node, int] = {}
        self.found: list[FoundJunction] = []
        self.previous: list[int | None] = []
        self.previous_f: list[tuple[Node, ...]] = []
        self.shared: list[tuple[Node, ...]] = []
        self.after: list[AfterAddition] = []
        self.branch_x: dict[int, int] = {}  # by the number of a further addend's junction
        self.custom_functions_after: Counter[str] = Counter()

    def detection(self) -> Detection:
        candidates = [addition for addition in self.recorder.additions if addition.sum in self.graph]
        for addition in candidates:
            paths = split_addition(self.graph, *addition.edges) or self.further_addend(addition)
            if paths is not None:
                self.number_of_sum[addition.sum] = len(self.additions)
                self.additions.append(addition)
                self.paths.append(paths)
        names = name_junctions(self.recorder, self.additions, self.paths)
        self.follow_streams()
        for number, name in enumerate(names):
            self.found.append(self.describe(number, name))
        unseen = describe_blind_spots(self.recorder, self.graph, self.custom_functions_after)
        return Detection(tuple(self.found), tuple(unseen), len(candidates), len(self.graph.children))

    def further_addend(self, addition: Addition) -> ShortcutAndBranch | None:
        """Return the paths of the second addition in x + F(x) + G(x), whose shortcut is the first sum."""
        for index in (0, 1):
            edges, others = addition.edges[index], addition.edges[1 - index]
            if len(edges) == 1 and (before := self.number_of_sum.get(edges[0][0])) is not None:
                x_before = self.paths[before].shortcut.x
                for x, *subgraphs in self.graph.common_origins(edges, others):
                    if x == x_before:
                        shortcut, branch = Subgraph(edges), subgraphs[1]
                        if not has_parameters(self.graph, branch):
                            return None
                        self.branch_x[len(self.additions)] = before
                        ordered = (shortcut, branch) if index == 0 else (branch, shortcut)
                        return ShortcutAndBranch(Shortcut("identity", edges[0], ()), index, ordered)
        return None

    def follow_streams(self) -> None:
        """Find the previous junction of each junction, and what follows each sum."""
        following: dict[int, int] = {}
        for number, (addition, paths) in enumerate(zip(self.additions, self.paths, strict=True)):
            found = find_previous(self.graph, paths.shortcut.x, self.number_of_sum)
            previous, between = found or (None, ())
            f, shared = between, ()
            if previous is not None:
                f, shared = split_between(self.recorder, between, self.additions[previous], addition)
                following.setdefault(previous, number)
            self.previous.append(previous)
            self.previous_f.append(f)
            self.shared.append(shared)
        for number, addition in enumerate(self.additions):
            if number in following:
                f = self.previous_f[following[number]]
            else:
                f_before = None if self.previous[number] is None else self.previous_f[number]
                f = find_f_at_the_end(self.graph, self.recorder, addition, f_before)
            self.after.append(describe_f(self.graph, self.recorder, addition, f))

    def describe(self, number: int, name: str) -> FoundJunction:
        addition, paths = self.additions[number], self.paths[number]
        shortcut = paths.shortcut
        kind = _with_factor(shortcut.kind, addition.factors[paths.shortcut_index])
        x_is_addend = kind == "identity" and not shortcut.nodes
        x_shape = addition.shape if x_is_addend else self.recorder.shapes.get(shortcut.x)
        previous, after = self.previous[number], self.after[number]
        between = (*self.shared[number], *self.previous_f[number])
        if previous is not None and self.found[previous].truncation is None:
            custom = {operation_of(node) for node in between if isinstance(node, BackwardCFunction)}
            self.custom_functions_after.update(custom)
        return FoundJunction(
            name=name,
            call=addition.call,
            shortcut_index=paths.shortcut_index,
            kind=kind,
            operations=self.functions_of(shortcut.nodes) if kind != "identity" else (),
            x=None if x_is_addend else self.recorder.location_of(shortcut.x),
            x_is_addend=x_is_addend,
            exact=number not in self.branch_x and self.is_exact(addition, paths),
            previous=previous,
            previous_f=self.functions_of(self.previous_f[number]),
            shared_preactivation=self.functions_of(self.shared[number]),
            f=self.functions_of(after.f),
            leaves=after.leaves,
            truncation=after.truncation,
            shape=addition.shape,
            x_shape=x_shape,
            stage=self.stage_of(addition.shape, x_shape, previous),
            weight_input=find_weight_input(self.graph, self.recorder, paths.branch, shortcut.x),
            branch_x=self.branch_x.get(number),
            branch_nodes=len(paths.branch.nodes),
        )

    def stage_of(self, shape: Shape, x_shape: Shape | None, previous: int | None) -> int:
        """Return the stage of the previous junction if neither junction changes the size, else a new one."""
        if previous is not None and _size(x_shape) == _size(shape) == _size(self.additions[previous].shape):
            return self.found[previous].stage
        return max((junction.stage for junction in self.found), default=0) + 1

    def is_exact(self, addition: Addition, paths: ShortcutAndBranch) -> bool:
        """Return whether this junction alone uses x_l and what is computed from x_l on the way to the sum."""
        graph, x = self.graph, paths.shortcut.x
        between = sorted(
            {*paths.subgraphs[0].nodes, *paths.subgraphs[1].nodes}, key=lambda node: graph.rank[node]
        )
        computed_from_x = set()
        users = list(graph.users_of_edge[x])
        for node in between:
            if any(edge == x or edge[0] in computed_from_x for edge in graph.children[node]):
                computed_from_x.add(node)
                users += graph.users[node]
        return all(user in computed_from_x or user is addition.sum for user in users)

    def functions_of(self, nodes: tuple[Node, ...]) -> tuple[str, ...]:
        """Return the torch functions that made the nodes, in the order of the forward pass."""
        functions, inner = [], []
        for node in reversed(nodes):
            location = self.recorder.location_of((node, 0))
            if location is not None and location.call.function not in ("input", "output"):
                functions.append(location.call.function.strip("_"))
                inner = []  # The nodes before this one were steps within the function.
            elif isinstance(node, BackwardCFunction):
                functions.append(operation_of(node))
            else:
                inner.append(operation_of(node).lower())
        return (*functions, *inner)


def _with_factor(kind: ShortcutKind, factor: float | Tensor) -> ShortcutKind:
    """Return the kind of a shortcut that the addition itself multiplies by a factor."""
    if isinstance(factor, Tensor):
        return "gate" if factor.requires_grad else "scale"
    return "scale" if factor != 1 and kind == "identity" else kind


def _size(shape: Shape | None) -> int:
    return 0 if shape is None else math.prod(shape)
