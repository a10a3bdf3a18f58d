"""A network as the paper's tables name it: a size, a design, and all options of the design."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from resunit.models.designs import DESIGNS
from resunit.runs.schema import ExperimentRecord

NetworkKey = tuple[Any, ...]


@dataclass(frozen=True)
class NetworkChoice:
    """A network of the paper's tables.

    Attributes:
        model: the network's name without "pre", such as "resnet110".
        design: a key of `DESIGNS`, or MODULE:CLASS for a design of the user's own.
        options: the value of every option of the design.
    """

    model: str
    design: str
    options: Mapping[str, Any]

    @property
    def key(self) -> NetworkKey:
        """The same as a hashable value; equal networks have equal keys."""
        return self.model, self.design, tuple(sorted(self.options.items()))


def network(model: str, design: str = "original", **options: Any) -> NetworkChoice:
    """Return the network with this design; options that are not given have the design's defaults."""
    return NetworkChoice(model, design, DESIGNS[design].options | options)


def network_of(record: ExperimentRecord) -> NetworkChoice:
    """Return the network of a recorded run. Its design may be one that this process does not know."""
    return NetworkChoice(record.model, record.design, record.options)
