"""Writing out products with differences, and what is taken away: t (f - x) as t f - t x, and -(f - x) as x - f.

A unit x + t (f - x) is (1 - t) x + t f. Its shortcut takes back a part of x, which is seen only in the second form.
"""

from collections import Counter
from collections.abc import Callable, Collection
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils.weak import WeakIdKeyDictionary

PRODUCTS = {
    "mul": torch.mul, "multiply": torch.mul, "__mul__": torch.mul, "__rmul__": torch.mul,
    "div": torch.div, "divide": torch.div, "true_divide": torch.div, "__truediv__": torch.div,
}  # fmt: skip
DIFFERENCES = ("sub", "subtract", "__sub__")
REVERSED = ("rsub", "__rsub__")
NEGATIVES = ("neg", "negative", "__neg__")

Node = Any  # torch.autograd.graph.Node


class ProductSite(NamedTuple):
    """A call that multiplies a difference, identified in the same way in every pass.

    Attributes:
        module: the module that calls.
        module_call: how many times the pass had called this module before.
        occurrence: how many products with differences this call of the module had made before.
    """

    module: str
    module_call: int
    occurrence: int


class Product(NamedTuple):
    """A product with a difference that was not written out.

    Attributes:
        site: the call.
        difference: the node of the difference.
        result: the node of the product.
    """

    site: ProductSite
    difference: Node
    result: Node


class _Difference(NamedTuple):
    """A difference of two values, and the versions that all three had: changes in place increase a version."""

    minuend: Tensor
    subtrahend: Tensor
    versions: tuple[int, int, int]


class Differences:
    """The differences that the calls of one pass make, and the products with them.

    Args:
        expanded: the products to write out.

    Attributes:
        products: the other products.
    """

    def __init__(self, expanded: Collection[ProductSite]):
        self.products: list[Product] = []
        self._expanded = expanded
        self._known: WeakIdKeyDictionary = WeakIdKeyDictionary()
        self._counts: Counter[tuple[str, int]] = Counter()
        self._waiting: tuple[ProductSite, Tensor] | None = None

    def note(self, function: str, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> None:
        """Note the result of a call, if it is a difference of two values or a product with one."""
        waiting, self._waiting = self._waiting, None
        if waiting is not None and isinstance(result, Tensor) and result.grad_fn is not None:
            self.products.append(Product(waiting[0], waiting[1].grad_fn, result.grad_fn))
        is_difference = function in (*DIFFERENCES, *REVERSED) and not kwargs and len(args) == 2
        if is_difference and all(isinstance(value, Tensor) for value in (*args, result)):
            minuend, subtrahend = args if function in DIFFERENCES else args[::-1]
            self._note_difference(minuend, subtrahend, result)

    def _note_difference(self, minuend: Tensor, subtrahend: Tensor, result: Tensor) -> None:
        # 1 - t is a factor of its own; the means that norms take away have another shape.
        if minuend.requires_grad and subtrahend.requires_grad and minuend.shape == subtrahend.shape:
            versions = minuend._version, subtrahend._version, result._version
            self._known[result] = _Difference(minuend, subtrahend, versions)

    def product(
        self, module: str, module_call: int, function: str, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Callable[[], Tensor] | None:
        """Return what computes a product with a difference as another one, or None for any other call."""
        self._waiting = None
        if kwargs or function not in (*PRODUCTS, *NEGATIVES):
            return None
        multiply = PRODUCTS.get(function)
        for place in range(len(args) if multiply is torch.mul else 1):
            if (difference := self._of(args[place])) is not None:
                site = ProductSite(module, module_call, self._counts[module, module_call])
                self._counts[module, module_call] += 1
                if site not in self._expanded:
                    self._waiting = site, args[place]
                    return None
                if multiply is None:
                    return lambda: self._subtract(difference.subtrahend, difference.minuend)
                factor = args[1 - place]
                return lambda: self._subtract(
                    multiply(difference.minuend, factor), multiply(difference.subtrahend, factor)
                )
        return None

    def _subtract(self, minuend: Tensor, subtrahend: Tensor) -> Tensor:
        result = torch.add(minuend, -subtrahend)
        self._note_difference(minuend, subtrahend, result)
        return result

    def _of(self, value: Any) -> _Difference | None:
        """Return the difference that a value is, if nothing of it was changed in place since."""
        found = self._known.get(value) if isinstance(value, Tensor) else None
        if found is None:
            return None
        now = found.minuend._version, found.subtrahend._version, value._version
        return found if now == found.versions else None
