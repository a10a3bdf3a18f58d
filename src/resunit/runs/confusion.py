"""Questions put to a confusion matrix: rows are the true classes, columns the predicted ones."""

from dataclasses import dataclass
from itertools import combinations
from typing import NamedTuple


class ClassError(NamedTuple):
    """How often a class is missed, in percent, and the class it is most often taken for."""

    error: float
    name: str
    taken_for: str


@dataclass(frozen=True)
class Confusion:
    """Counts of images by true and predicted class."""

    classes: list[str]
    counts: list[list[int]]

    @property
    def images(self) -> int:
        return sum(map(sum, self.counts))

    def hardest_first(self) -> list[ClassError]:
        """Every class that has images, by its error."""
        errors = []
        for true, row in enumerate(self.counts):
            if not sum(row):
                continue
            wrong = {predicted: count for predicted, count in enumerate(row) if predicted != true and count}
            taken_for = self.classes[max(wrong, key=wrong.__getitem__)] if wrong else "–"
            errors.append(ClassError(100 * sum(wrong.values()) / sum(row), self.classes[true], taken_for))
        return sorted(errors, reverse=True)

    def most_confused(self) -> tuple[int, int] | None:
        """The two classes taken for each other most often, the more often mistaken one first."""
        pairs = combinations(range(len(self.classes)), 2)
        a, b = max(pairs, key=lambda pair: self._exchanged(*pair), default=(0, 0))
        if a == b or not self._exchanged(a, b):
            return None
        return (a, b) if self.counts[a][b] >= self.counts[b][a] else (b, a)

    def _exchanged(self, a: int, b: int) -> int:
        return self.counts[a][b] + self.counts[b][a]
