"""The result of a measurement: its junctions, and what they say in sentences, as JSON and in pictures."""

import json
import math
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from resunit.errors import PropagationError
from resunit.io.places import user_path
from resunit.propagation.junction import Junction
from resunit.propagation.layer import Layer
from resunit.propagation.measures.direct_between import DirectBetween
from resunit.propagation.show.judgement import judge_signal
from resunit.propagation.show.layer_sentences import (
    describe_layers,
    judge_layers,
    layer_remedies,
    summarise_layers,
)
from resunit.propagation.show.notebook import render_notebook
from resunit.propagation.show.plot import plot
from resunit.propagation.show.remedies import remedies
from resunit.propagation.show.sentences import describe_evidence, select_reached, summarise
from resunit.propagation.verdict import Verdict

FORMAT = 2  # of the JSON document; it grows when a field changes its name or its meaning.
# 2: direct_gain and shortcut_gain stand in place of lambda_product and path_product; f is the unit's own.


@dataclass(frozen=True)
class Propagation:
    """How the signal passes through the junctions of one network.

    Attributes:
        junctions: the junctions in the order of the forward pass.
        unseen: sentences about calls that could not be looked into.
        name: the name of the network, for sentences and pictures.
        absent: sentences that say which measures are absent, and why.
        layers: the weight layers in the order of execution, of a network without junctions; otherwise empty.
    """

    junctions: tuple[Junction, ...]
    unseen: tuple[str, ...] = ()
    name: str = "network"
    absent: tuple[str, ...] = ()
    between: DirectBetween | None = field(default=None, repr=False, compare=False)
    layers: tuple[Layer, ...] = ()

    def direct(self, l: int, L: int) -> float:  # noqa: E741 - the paper's letters
        """Return how much of the gradient passes directly between two junctions of a stage, Eqs. (5) and (8).

        That is ||the direct term at x_l|| / ||dE/dx_L||: the gradient begins with dE/dx_L, passes h and f of
        the junctions l to L - 1, and no branch. `Junction.direct_gain` is the same from the stage's end.
        The network runs once more for each L, on the batch that it was measured on, which this result keeps
        with the network.

        Args:
            l: the number of a junction in `junctions`, from 0.
            L: the number of a later junction of the same stage.

        Raises:
            PropagationError: the junctions are no two of one stage, the network has changed since it was
                measured, or a gradient is missing.
        """
        if not self.junctions:
            raise PropagationError(f"{self.name} has no junction, so there is no direct term between two")
        if self.between is None:
            raise PropagationError("this result does not know its network; get one from propagation.measure")
        return self.between.gain(l, L)

    @cached_property
    def verdict(self) -> Verdict:
        """Whether the signal passes directly; if not, where, by what, and how much is left."""
        if not self.junctions:
            return judge_layers(self.layers)
        return judge_signal(select_reached(self.junctions), self.absent)

    @cached_property
    def evidence(self) -> tuple[str, ...]:
        """Sentences with numbers; those about the largest effects come first."""
        absences = (*self.unseen, *self.absent)
        if not self.junctions:
            return tuple(describe_layers(self.layers, absences))
        return tuple(describe_evidence(self.junctions, self.verdict, absences))

    @cached_property
    def remedies(self) -> tuple[str, ...]:
        """What to change, in sentences; empty if the signal passes directly."""
        if not self.junctions:
            return tuple(layer_remedies(self.layers))
        return tuple(remedies(select_reached(self.junctions)))

    @property
    def summary(self) -> str:
        """How many junctions the network has, and of which kinds, in one sentence."""
        if not self.junctions:
            return summarise_layers(self.name, self.layers)
        return summarise(self.name, self.junctions)

    @property
    def places(self) -> tuple[Junction, ...] | tuple[Layer, ...]:
        """Where the network was measured: at its junctions, or at its weight layers if it has none."""
        return self.junctions or self.layers

    @property
    def findings(self) -> list[str]:
        """The whole answer in sentences: the verdict, the evidence, what to change, and the counts of junctions."""
        return [self.verdict.sentence, *self.evidence, *self.remedies, self.summary]

    def to_json(self) -> str:
        """Return the measurement as one JSON document; numbers that are not finite become null."""
        return json.dumps(self.to_record(), allow_nan=False)

    def to_record(self) -> dict[str, Any]:
        """Return the measurement as plain values, with the keys of the JSON document."""
        return {
            "format": FORMAT,
            "name": self.name,
            "verdict": _plain_fields(self.verdict),
            "findings": self.findings,
            "remedies": list(self.remedies),
            "unseen": list(self.unseen),
            "absent": list(self.absent),
            "junctions": [_plain_fields(junction) for junction in self.junctions],
            "layers": [_plain_fields(layer) for layer in self.layers],
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
        return render_notebook(self)


def _plain_fields(value: Junction | Layer | Verdict) -> dict[str, Any]:
    return {key: _plain(field) for key, field in asdict(value).items()}


def _plain(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return list(value) if isinstance(value, tuple) else value
