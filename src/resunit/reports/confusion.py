"""Questions put to a confusion matrix: rows are the true classes, columns the predicted ones."""

from dataclasses import dataclass
from itertools import combinations


@dataclass(frozen=True)
class Confusion:
    """Counts of images by true and predicted class."""

    classes: list[str]
    counts: list[list[int]]

    @property
    def images(self) -> int:
        return sum(map(sum, self.counts))

    def class_errors(self) -> list[tuple[float, str]]:
        """(error in percent, class) of every class that has images, easiest first."""
        errors = [
            (100 * (1 - row[true] / sum(row)), self.classes[true])
            for true, row in enumerate(self.counts)
            if sum(row)
        ]
        return sorted(errors)

    def most_confused(self) -> tuple[int, int] | None:
        """The two classes taken for each other most often, the more often mistaken one first."""
        pairs = combinations(range(len(self.classes)), 2)
        a, b = max(pairs, key=lambda pair: self._exchanged(*pair), default=(0, 0))
        if a == b or not self._exchanged(a, b):
            return None
        return (a, b) if self.counts[a][b] >= self.counts[b][a] else (b, a)

    def _exchanged(self, a: int, b: int) -> int:
        return self.counts[a][b] + self.counts[b][a]
