"""What the search knows of an addition that is a junction."""

from dataclasses import dataclass

from resunit.propagation.detect.found_junction import AddingCall
from resunit.propagation.detect.graph import Node
from resunit.propagation.detect.recorder import Addition
from resunit.propagation.detect.splitting import ShortcutAndBranch


@dataclass(frozen=True)
class JoinedAddition:
    """An addition that is a junction.

    Attributes:
        addition: the addition that makes the sum.
        paths: its shortcut and branch.
        calls: the calls that add its parts; the last one makes the sum.
        sum: the node of the sum.
        origin: the sum of the first of several junctions, if F is computed from the x_l of that one and not from
            its own: the branches of x + F(x) + G(x) may be added in place, which makes the first sum the
            x_l of the second junction.
    """

    addition: Addition
    paths: ShortcutAndBranch
    calls: tuple[AddingCall, ...]
    sum: Node
    origin: Node | None = None
