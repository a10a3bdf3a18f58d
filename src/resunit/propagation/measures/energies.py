"""Summing the squares of a gradient once, where it is the gradient of several values.

Where h is the identity, the gradient of a sum is also that of the next x, of the shortcut, and the direct term.
"""

from collections import OrderedDict
from typing import NamedTuple

from torch import Tensor

from resunit.propagation.measures.reductions import energy, flatten_alike

MOST_REMEMBERED = 4  # gradients: of a sum and of x, and the direct terms with f and without it


class _Summed(NamedTuple):
    tensor: Tensor  # It is kept, so that no other tensor gets the same id.
    version: int
    energy: Tensor


class Energies:
    """Sums the squares of tensors, and remembers the last few.

    Args:
        careful: sum in double precision.
    """

    def __init__(self, careful: bool):
        self.careful = careful
        self._summed: OrderedDict[int, _Summed] = OrderedDict()

    def of(self, tensor: Tensor) -> Tensor:
        """Return the sum of squares, a 0-dimensional tensor."""
        known = self._summed.get(id(tensor))
        if known is None or known.version != tensor._version:
            (flat,) = flatten_alike(tensor, careful=self.careful)
            known = _Summed(tensor, tensor._version, energy(flat))
            self._summed[id(tensor)] = known
        self._summed.move_to_end(id(tensor))
        if len(self._summed) > MOST_REMEMBERED:
            self._summed.popitem(last=False)
        return known.energy

    def release(self) -> None:
        """Let go of all tensors."""
        self._summed.clear()
