"""Where the junctions of a network are, or its weight layers if it has none, and what the graph says about each."""

import math
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from torch import Tensor

from resunit.propagation.detect.layout import Layout, Shape
from resunit.propagation.forward.call_tracing import CallSite
from resunit.propagation.forward.differences import ProductSite
from resunit.propagation.junction import ShortcutKind


class TensorLocation(NamedTuple):
    """A tensor of a forward pass, identified by the call that returns it.

    Attributes:
        call: the call whose result holds the tensor.
        position: the position of the tensor among the tensors of the result.
        is_overwritten: whether the pass later changes the tensor in place.
    """

    call: CallSite
    position: int
    is_overwritten: bool


@dataclass(frozen=True)
class Truncation:
    """The activation after an addition that sets negative values to zero.

    Attributes:
        input: the tensor that the activation takes; None for the sum y_l itself.
        output: the tensor that the activation returns.
    """

    input: TensorLocation | None
    output: TensorLocation


class WeightInput(NamedTuple):
    """The input of a branch's first weight layer.

    Attributes:
        location: where it is.
        channels: its dimension of channels, counted from the end as a negative number.
    """

    location: TensorLocation
    channels: int


Role = Literal["shortcut", "branch", "sum"]


class AddingCall(NamedTuple):
    """One of the calls that add the parts of a junction.

    Attributes:
        call: the call that adds.
        roles: what each of its addends is: a part of the shortcut, a part of the branch, or a sum that calls before
            it have made.
        overwritten: the number of the addend that the sum replaces, if the call adds in place.
    """

    call: CallSite
    roles: tuple[Role, Role]
    overwritten: int | None


@dataclass(frozen=True)
class FoundJunction:
    """A junction y_l = h(x_l) + F(x_l), as it was found in one forward pass.

    Attributes:
        name: the module that adds, or where it adds more than once, the module that computes the branch.
        calls: the calls that add its parts, as in 0.5 x + F(x) + 0.5 roll(x) + G(x); the last one makes y_l.
        kind: what h is.
        operations: the torch functions that h consists of; empty for the identity.
        x: where x_l is; None if no call returned it, or if the addend is x_l.
        x_is_addend: whether the shortcut's addend is x_l itself.
        exact: whether x_l is used by h and F alone, so that dE/dx_l is the sum of their two terms, Eq. (5).
        previous: the number of the junction whose sum becomes x_l; None where a stream begins.
        previous_f: the torch functions of the previous junction's after-addition activation f.
        shared_preactivation: the torch functions between the previous junction's f and x_l, which this unit
            computes for both of its paths.
        f: the torch functions of this junction's after-addition activation f.
        leaves: where the value is that leaves the unit, f included; None for the sum y_l itself.
        truncation: the activation after this addition that sets negative values to zero, if there is one.
        shape: the shape of y_l.
        x_shape: the shape of x_l, if it is known.
        x_layout: where the elements of x_l are in h; None if that is unknown.
        previous_layout: where the elements of the previous junction's sum are in x_l; None if that is unknown.
        stage: the number of the stage, from 1.
        weight_input: the input of the branch's first weight layer, if it was seen.
        branch_x: the number of the junction whose x the branch is computed from, if it is not this one: in
            (x + F(x)) + G(x) with a first sum that is x_l itself, the second addition adds G(x) to it.
        branch_nodes: the number of graph nodes on the ways from x to F; 0 if `exact`, where nobody needs it.
        sum_is_base: whether the sum was written into a view, and the network goes on with what the view is of.
    """

    name: str
    calls: tuple[AddingCall, ...]
    kind: ShortcutKind
    operations: tuple[str, ...]
    x: TensorLocation | None
    x_is_addend: bool
    exact: bool
    previous: int | None
    previous_f: tuple[str, ...]
    shared_preactivation: tuple[str, ...]
    f: tuple[str, ...]
    leaves: TensorLocation | None
    truncation: Truncation | None
    shape: Shape
    x_shape: Shape | None
    x_layout: Layout | None
    previous_layout: Layout | None
    stage: int
    sum_is_base: bool
    weight_input: WeightInput | None
    branch_x: int | None
    branch_nodes: int

    @property
    def follows_directly(self) -> bool:
        """Whether no function stands between the previous junction's sum and x_l."""
        return not self.previous_f and not self.shared_preactivation

    @property
    def whose_sum_is_x(self) -> int | None:
        """The number of the junction whose sum is x_l without any function in between, if there is one."""
        return self.previous if self.x_is_addend and self.follows_directly else None

    @property
    def keeps_size(self) -> bool:
        """Whether x_l and y_l are known to have equally many elements."""
        return self.x_shape is not None and math.prod(self.x_shape) == math.prod(self.shape)


@dataclass(frozen=True)
class FoundLayer:
    """A weight layer as it was found in one forward pass.

    Attributes:
        name: the module that computes it.
        location: where its result is.
        shape: the shape of its result.
        weights: its weights.
        passed_by: the torch function in which what the layer takes comes together with the result of the layer, past
            all weights; None if everything computed from it goes through a weight.
    """

    name: str
    location: TensorLocation
    shape: tuple[int, ...]
    weights: tuple[Tensor, ...] = field(compare=False)
    passed_by: str | None


@dataclass(frozen=True)
class Detection:
    """The junctions of a network, or its weight layers if it has none.

    Attributes:
        junctions: the junctions in the order of the forward pass.
        unseen: sentences about calls that could not be looked into.
        additions: the number of additions that were examined.
        nodes: the number of nodes of the graph.
        concatenated: how many values hold a shortcut and a branch side by side that nothing sums, as in dense nets.
        begins_at: the calls whose results are given gradients: streams that begin with a constant, and, if no
            gradient reaches the inputs, what is made of them without gradients.
        expanded: the products with differences that are written out, as in x + t (F - x).
        may_hide_junctions: whether one of the sentences in `unseen` is about what may hold a junction.
        layers: the weight layers in the order of execution; empty for a network with junctions.
    """

    junctions: tuple[FoundJunction, ...]
    unseen: tuple[str, ...]
    additions: int
    nodes: int
    concatenated: int = 0
    begins_at: frozenset[CallSite] = frozenset()
    expanded: frozenset[ProductSite] = frozenset()
    may_hide_junctions: bool = False
    layers: tuple[FoundLayer, ...] = ()
