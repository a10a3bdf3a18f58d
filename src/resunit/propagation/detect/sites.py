"""Where the junctions of a network are: found once, then visited pass after pass."""

from dataclasses import dataclass
from typing import Any, NamedTuple

from resunit.propagation.detect.additions import Term, terms
from resunit.propagation.detect.kinds import Kind
from resunit.propagation.detect.watching import Place


class Capture(NamedTuple):
    """A tensor of a forward pass: the `position`-th of a place; `copy` if it is overwritten later."""

    place: Place
    position: int
    copy: bool


@dataclass(frozen=True)
class Truncation:
    """The activation in f that sets negative values to zero: its input (None: the sum itself) and output."""

    before: Capture | None
    after: Capture


@dataclass(frozen=True)
class Site:
    """A junction y_l = h(x_l) + F(x_l) where a forward pass comes by.

    `term` is the number of the shortcut's term in the addition. `x` is None where x_l was never seen above
    autograd, or where the term is x_l itself (`x_is_term`). `previous` is the number of the site whose sum
    becomes x_l, through the operations `f` that lie between (those of f and of what units
    share). `exact`: x_l is used by h and F alone, so that dE/dx_l is the sum of their two terms.
    """

    name: str
    place: Place
    term: int
    kind: Kind
    operations: tuple[str, ...]
    x: Capture | None
    x_is_term: bool
    exact: bool
    previous: int | None
    previous_f: tuple[str, ...]
    truncation: Truncation | None
    shape: tuple[int, ...]
    x_shape: tuple[int, ...] | None
    stage: int

    @property
    def sum_before(self) -> int | None:
        """The site whose very sum is x_l as it enters both paths, if one's is."""
        return self.previous if self.x_is_term and not self.previous_f else None


class Crossing(NamedTuple):
    """A call that is the addition of a known site: its number, its shortcut's and its branch's term."""

    number: int
    shortcut: Term
    branch: Term


class Crossings:
    """Tells the additions of known sites from all other calls of a pass."""

    def __init__(self, sites: tuple[Site, ...]):
        self._at = {site.place: (number, site.term) for number, site in enumerate(sites)}

    def met(self, place: Place, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Crossing | None:
        if place not in self._at or (pair := terms(place.function, args, kwargs)) is None:
            return None
        number, shortcut = self._at[place]
        return Crossing(number, pair[shortcut], pair[1 - shortcut])


@dataclass(frozen=True)
class Detection:
    """The junctions in the order of the forward pass, and what could not be looked into, in sentences."""

    sites: tuple[Site, ...]
    unseen: tuple[str, ...]
    additions: int
