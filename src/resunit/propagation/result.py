"""A measurement: its junctions, what they say in words, and as JSON and pictures."""

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from resunit.propagation.junction import Junction
from resunit.propagation.show.findings import findings
from resunit.propagation.show.pictures import draw, notebook_html


@dataclass(frozen=True)
class Propagation:
    """How the signal passes through a network's junctions, in the order of the forward pass."""

    junctions: tuple[Junction, ...]
    unseen: tuple[str, ...] = ()
    name: str = "network"

    @property
    def findings(self) -> list[str]:
        """Sentences with numbers, what matters most first."""
        return findings(self.name, self.junctions, self.unseen)

    def to_json(self) -> str:
        """One JSON document; numbers that are not finite become null."""
        return json.dumps(self.to_record(), allow_nan=False)

    def to_record(self) -> dict[str, Any]:
        """The same as plain values."""
        return {
            "name": self.name,
            "findings": self.findings,
            "unseen": list(self.unseen),
            "junctions": [
                {key: _plain(value) for key, value in asdict(junction).items()} for junction in self.junctions
            ],
        }

    def plot(self, path: str | Path, beside: "Propagation | None" = None) -> Path:
        """Draw stream, gradient, lambda and truncation by depth, with a second network `beside` it if given.

        `path` ends in .png, .pdf or .svg for a figure, or in .html for an interactive page that needs no
        network. Raises PropagationError for other endings, OSError if the file cannot be
        written.
        """
        return draw([self] if beside is None else [self, beside], Path(path))

    def _repr_html_(self) -> str:
        return notebook_html(self)


def _plain(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return list(value) if isinstance(value, tuple) else value
