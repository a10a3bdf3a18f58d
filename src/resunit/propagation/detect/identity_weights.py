"""Finding shortcuts inside weights: (I + W) x adds x to W x by an addition of weights.

Source: Zagoruyko and Komodakis 2017, "DiracNets".
"""

from collections.abc import Collection, Sequence

from torch import Tensor
from torch.nn import Parameter

from resunit.propagation.detect.additions import Addends
from resunit.propagation.detect.constants import nodes_behind
from resunit.propagation.detect.graph import Edge, Node

PLAIN = {Tensor, Parameter}  # Fake tensors, as of torch.compile, have no values.
MOST_NODES = 16  # A weight is made of few: factors for its rows, a normalisation, a transpose.


def adds_identity(addends: Addends, edges: Sequence[Edge], sources: Collection[Node]) -> bool:
    """Return whether a call adds an identity to a learned weight.

    Args:
        addends: what it adds.
        edges: the edges of both addends.
        sources: the nodes at which inputs enter.
    """
    one, other = addends
    if not edges or one.ndim < 2 or one.shape != other.shape or not {type(one), type(other)} <= PLAIN:
        return False
    for count, node in enumerate(nodes_behind(edges), 1):
        if node in sources or count > MOST_NODES:
            return False
    return _is_identity(one) or _is_identity(other)


def _is_identity(weight: Tensor) -> bool:
    """Return whether a weight (out, in, ...) takes each value to its own place, times any factor, and nothing else."""
    rows, columns, *kernel = weight.shape
    diagonal = weight[:, :, *(side // 2 for side in kernel)].diagonal()
    has_others = weight.numel() > min(rows, columns)
    return has_others and bool(diagonal.all()) and int(weight.count_nonzero()) == len(diagonal)
