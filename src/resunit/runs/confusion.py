"""The errors and scores of classes, from a confusion matrix: its rows are true classes, its columns predicted ones."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import NamedTuple

MOST_CLASSES_OF_A_MATRIX = 2_000  # The matrix of 5,000 classes would take minutes and gigabytes to write.


class ClassError(NamedTuple):
    """The error of one class.

    Attributes:
        error: the percentage of the class's images that were predicted as another class.
        taken_for: the class that its images were mistaken for most often; None if all are right.
        times: how many of them were taken for `taken_for`.
    """

    error: float
    name: str
    taken_for: str | None
    images: int
    times: int


class ClassScore(NamedTuple):
    """The scores of one class, in percent.

    Attributes:
        precision: of the images that were predicted as the class, those that are of it; None without predictions.
        recall: of the images of the class, those that were predicted as it; None without images.
        f1: the harmonic mean of both, 2 TP / (2 TP + FP + FN); None without images and predictions.
    """

    precision: float | None
    recall: float | None
    f1: float | None


@dataclass(frozen=True)
class Confusion:
    """Counts of images by true and predicted class.

    Attributes:
        classes: the names of the K classes.
        counts: K rows of K counts; `counts[i][j]` images of class i were predicted as class j.
    """

    classes: Sequence[str]
    counts: Sequence[Sequence[int]]

    @property
    def images(self) -> int:
        """The number of images."""
        return sum(map(sum, self.counts))

    def sort_hardest_first(self) -> list[ClassError]:
        """Return the error of every class that has images, the highest error first."""
        errors = [self._count_class_error(true) for true, row in enumerate(self.counts) if sum(row)]
        return sorted(errors, key=lambda found: (found.error, found.name), reverse=True)

    def score_classes(self) -> list[ClassScore]:
        """Return precision, recall and F1 of each class, in the order of the classes."""
        predicted = [sum(column) for column in zip(*self.counts, strict=True)]
        return [
            ClassScore(
                precision=_percent(row[label], predicted[label]),
                recall=_percent(row[label], sum(row)),
                f1=_percent(2 * row[label], predicted[label] + sum(row)),
            )
            for label, row in enumerate(self.counts)
        ]

    def find_most_confused(self) -> tuple[int, int] | None:
        """Return the two classes that were mistaken for each other most often; None without mistakes.

        The class whose images were mistaken more often comes first.
        """
        pairs = combinations(range(len(self.classes)), 2)
        a, b = max(pairs, key=lambda pair: self._count_exchanged(*pair), default=(0, 0))
        if a == b or not self._count_exchanged(a, b):
            return None
        return (a, b) if self.counts[a][b] >= self.counts[b][a] else (b, a)

    def _count_class_error(self, true: int) -> ClassError:
        row = self.counts[true]
        wrong = {predicted: count for predicted, count in enumerate(row) if predicted != true and count}
        most = max(wrong, key=wrong.__getitem__, default=None)
        return ClassError(
            error=100 * sum(wrong.values()) / sum(row),
            name=self.classes[true],
            taken_for=None if most is None else self.classes[most],
            images=sum(row),
            times=0 if most is None else wrong[most],
        )

    def _count_exchanged(self, a: int, b: int) -> int:
        return self.counts[a][b] + self.counts[b][a]


def _percent(part: int, whole: int) -> float | None:
    return 100 * part / whole if whole else None
