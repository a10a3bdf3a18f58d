"""The networks that the page measures: fresh ones in any design, and a few that are trained briefly."""

from dataclasses import dataclass, field
from typing import Any

from resunit.errors import UsageError
from resunit.inference.subjects import Subject, find_subject, measure_subject
from resunit.io.progress import working
from resunit.models.registry import NETWORKS, network_spec
from resunit.propagation import Junction, Propagation
from resunit.reproduction.argument.brief_training import BriefTraining, brief_recipe, train_briefly


@dataclass
class Networks:
    """Measures each network once, when a statement first asks for it.

    `model` is the name of a network for CIFAR with original units, and `steps` the length of the brief trainings. The
    seed determines weights, images and training.

    Raises:
        UsageError: there is no such network, or a number does not fit.
    """

    model: str
    seed: int
    steps: int
    images: int
    quiet: bool = True
    _fresh: dict[tuple[str, str], tuple[Subject, Propagation]] = field(default_factory=dict)
    _trained: dict[str, BriefTraining] = field(default_factory=dict)

    def __post_init__(self) -> None:
        spec = network_spec(self.model)
        if spec.stem != "cifar" or spec.design != "original":
            names = [
                name for name, one in NETWORKS.items() if one.stem == "cifar" and one.design == "original"
            ]
            raise UsageError(f"--model {self.model}: the page is about one of {', '.join(names)}")
        if self.images < 1:
            raise UsageError(f"--batch-size must be at least 1, not {self.images}")
        # A recipe refuses numbers that do not fit.
        brief_recipe(self.model, spec.design, seed=self.seed, steps=self.steps)

    def fresh(self, design: str, **options: Any) -> Propagation:
        """Return the signal in the network in a design, with the weights that it begins with."""
        return self._measured(design, options)[1]

    def fresh_subject(self, design: str) -> Subject:
        """Return the fresh network in a design with its batch of images."""
        return self._measured(design, {})[0]

    def trained(self, design: str) -> BriefTraining:
        """Return the brief training of the network in a design."""
        if design not in self._trained:
            self._trained[design] = train_briefly(
                self.model, design, seed=self.seed, steps=self.steps, images=self.images, quiet=self.quiet
            )
        return self._trained[design]

    def _measured(self, design: str, options: dict[str, Any]) -> tuple[Subject, Propagation]:
        key = design, repr(sorted(options.items()))
        if key not in self._fresh:
            with working(f"measuring {self.model}, {design}", shown=not self.quiet):
                subject = find_subject(
                    self.model, design=design, batch_size=self.images, seed=self.seed, options=options
                )
                self._fresh[key] = subject, measure_subject(subject)
        return self._fresh[key]


def first_stage(result: Propagation) -> list[Junction]:
    """Return the junctions of the first stage that has several, in which Eqs. (4) to (8) apply."""
    sizes = [junction.stage for junction in result.junctions]
    number = next(stage for stage in sizes if sizes.count(stage) > 1)
    return [junction for junction in result.junctions if junction.stage == number]


def values_of(junctions: list[Junction] | tuple[Junction, ...], measure: str) -> tuple[float | None, ...]:
    """Return a measure of each junction."""
    return tuple(getattr(junction, measure) for junction in junctions)


def known_of(junctions: list[Junction] | tuple[Junction, ...], measure: str) -> list[float]:
    """Return a measure of the junctions that have it."""
    return [value for value in values_of(junctions, measure) if value is not None]
