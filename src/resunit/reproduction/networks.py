"""A network as experiments name it: a size, a design, and all of the design's options."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from resunit.models.designs import DESIGNS


@dataclass(frozen=True)
class Network:
    """`model` is a name without "pre"; `options` are complete."""

    model: str
    design: str
    options: Mapping[str, Any]

    @property
    def key(self) -> tuple[Any, ...]:
        return self.model, self.design, tuple(sorted(self.options.items()))


def network_of(record: Mapping[str, Any]) -> Network:
    """The network of a run's record, which may be a design that is not known here."""
    return Network(record["model"], record["design"], record["options"])


def network(model: str, design: str = "original", **options: Any) -> Network:
    return Network(model, design, DESIGNS[design].options | options)
