"""Finding streams that begin with a constant, as the queries of a decoder that begin with zeros."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from torch import Tensor
from torch.utils.weak import WeakIdKeyDictionary

from resunit.propagation.detect.graph import Edge, Node, is_weight
from resunit.propagation.forward.call_tracing import CallSite


class _Sum(NamedTuple):
    """A sum of a constant and another value.

    Attributes:
        made_at: the call that made the constant.
        others: the edges of the other value.
        time: the number of the call that adds.
    """

    made_at: CallSite
    others: tuple[Edge, ...]
    time: int


class Constants:
    """The constants that calls of one pass make; it keeps no value alive."""

    def __init__(self) -> None:
        self._known: WeakIdKeyDictionary = WeakIdKeyDictionary()  # the calls that a constant was made by
        self._made_at: WeakIdKeyDictionary = WeakIdKeyDictionary()  # the last one of them
        self._users: defaultdict[CallSite, set[Node]] = defaultdict(set)
        self._sums: list[_Sum] = []
        self._now = 0
        self._last_use: dict[CallSite, int] = {}

    def sites_of(self, taken: Sequence[Tensor]) -> frozenset[CallSite]:
        """Return the calls that made the constants among the arguments of a call, which comes next."""
        self._now += 1
        sites = frozenset(site for tensor in taken if tensor in self._known for site in self._known[tensor])
        self._last_use |= dict.fromkeys(sites, self._now)
        return sites

    def add(self, site: CallSite, sites: frozenset[CallSite], results: Sequence[Tensor]) -> None:
        """Note the results of a call: constants, or values with gradients that it makes of constants."""
        for tensor in results:
            if tensor.grad_fn is not None:
                for made_at in sites:
                    self._users[made_at].add(tensor.grad_fn)
            elif tensor.is_floating_point() and not tensor.requires_grad:
                self._known[tensor] = sites | {site}
                self._made_at[tensor] = site

    def add_sum(self, constant: Tensor, others: Sequence[Edge]) -> None:
        """Note a sum of a constant and another value."""
        if constant in self._made_at:
            self._sums.append(_Sum(self._made_at[constant], tuple(others), self._now))

    def streams(self, sources: Iterable[Node]) -> frozenset[CallSite]:
        """Return the calls that made constants to which a function of themselves with weights is added.

        The sum takes the place of the constant. What is used again, as a mask in every layer, or is added to the
        signal in several places, as a table of positions, is no stream.

        Args:
            sources: the nodes at which inputs enter.
        """
        sources = set(sources)
        of_constant: defaultdict[CallSite, list[_Sum]] = defaultdict(list)
        for one in self._sums:
            users = self._users[one.made_at]
            if _is_branch(one.others, users) or _reaches(one.others, sources):
                of_constant[one.made_at].append(one)
        return frozenset(
            made_at
            for made_at, sums in of_constant.items()
            if len(sums) == 1
            and sums[0].time == self._last_use[made_at]
            and _is_branch(sums[0].others, self._users[made_at])
        )


def _is_branch(values: Sequence[Edge], users: set[Node]) -> bool:
    """Return whether values are computed from what takes a constant, and by a weight."""
    takes, has_weight = False, False
    for node in nodes_behind(values) if users else ():
        takes = takes or node in users
        variable = getattr(node, "variable", None)
        has_weight = has_weight or (variable is not None and is_weight(variable))
        if takes and has_weight:
            return True
    return False


def _reaches(values: Sequence[Edge], sources: set[Node]) -> bool:
    return any(node in sources for node in nodes_behind(values))


def nodes_behind(values: Sequence[Edge]) -> Iterator[Node]:
    """Yield the nodes that values are computed by, each once."""
    seen: set[Node] = set()
    waiting = [node for node, _ in values]
    while waiting:
        node = waiting.pop()
        if node not in seen:
            seen.add(node)
            yield node
            waiting += [child for child, _ in node.next_functions if child is not None]
