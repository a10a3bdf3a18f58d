"""The result of a measurement: its junctions, and what they say in sentences, as JSON and in pictures."""

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from resunit.io.places import user_path
from resunit.propagation.junction import Junction
from resunit.propagation.show.notebook import notebook_html
from resunit.propagation.show.plot import plot
from resunit.propagation.show.sentences import describe

FORMAT = 1  # of the JSON document; it grows when a field changes its name or its meaning


@dataclass(frozen=True)
class Propagation:
    """How the signal passes through the junctions of one network.

    Attributes:
        junctions: the junctions in the order of the forward pass.
        unseen: sentences about calls that could not be looked into.
        name: the name of the network, for sentences and pictures.
    """

    junctions: tuple[Junction, ...]
    unseen: tuple[str, ...] = ()
    name: str = "network"

    @property
    def findings(self) -> list[str]:
        """Sentences with numbers; those about the largest effects come first."""
        return describe(self.name, self.junctions, self.unseen)

    def to_json(self) -> str:
        """Return the measurement as one JSON document; numbers that are not finite become null."""
        return json.dumps(self.to_record(), allow_nan=False)

    def to_record(self) -> dict[str, Any]:
        """Return the measurement as plain values, with the keys of the JSON document."""
        return {
            "format": FORMAT,
            "name": self.name,
            "findings": self.findings,
            "unseen": list(self.unseen),
            "junctions": [
                {key: _plain(value) for key, value in asdict(junction).items()} for junction in self.junctions
            ],
        }

    def plot(self, path: str | Path, beside: "Propagation | None" = None) -> Path:
        """Draw the measures by depth, and return the path of the file.

        The file is written whole or not at all.

        Args:
            path: it ends in .png, .pdf or .svg for a figure, or in .html for an interactive page that needs
                no internet connection.
            beside: a second measurement that is drawn beside this one.

        Raises:
            PropagationError: the path has another ending.
            WriteError: the file cannot be written.
        """
        return plot([self] if beside is None else [self, beside], user_path(path))

    def _repr_html_(self) -> str:
        return notebook_html(self)


def _plain(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return list(value) if isinstance(value, tuple) else value
