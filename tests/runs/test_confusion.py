import pytest

from resunit.runs.confusion import ClassError, ClassScore, Confusion


def test_the_hardest_class_comes_first() -> None:
    found = Confusion(("cat", "dog", "ship"), ((6, 3, 1), (1, 9, 0), (0, 0, 10))).sort_hardest_first()
    assert found == [
        ClassError(40.0, "cat", "dog", images=10, times=3),
        ClassError(10.0, "dog", "cat", images=10, times=1),
        ClassError(0.0, "ship", None, images=10, times=0),
    ]


def test_the_pair_that_is_confused_most_has_the_more_often_mistaken_class_first() -> None:
    assert Confusion(("cat", "dog", "ship"), ((6, 1, 3), (4, 9, 0), (0, 0, 10))).find_most_confused() == (
        1,
        0,
    )


@pytest.mark.parametrize("counts", [((5, 0), (0, 5)), ((5, 0), (0, 0))])
def test_a_matrix_without_mistakes_confuses_no_pair(counts: tuple[tuple[int, ...], ...]) -> None:
    assert Confusion(("a", "b"), counts).find_most_confused() is None


def test_classes_without_images_have_no_error() -> None:
    (found,) = Confusion(("cat", "dog"), ((3, 1), (0, 0))).sort_hardest_first()
    assert found == ClassError(25.0, "cat", "dog", images=4, times=1)


def test_scores_are_those_of_their_formulas() -> None:
    """Of cat: 6 true positives, 2 false positives, 4 false negatives."""
    cat, dog, ship, yak = Confusion(
        ("cat", "dog", "ship", "yak"), ((6, 3, 1, 0), (2, 8, 0, 0), (0, 0, 0, 0), (0, 1, 0, 0))
    ).score_classes()
    assert cat == ClassScore(100 * 6 / 8, 100 * 6 / 10, 100 * 2 * 6 / (2 * 6 + 2 + 4))
    assert dog == ClassScore(100 * 8 / 12, 80.0, 100 * 2 * 8 / (2 * 8 + 4 + 2))
    assert cat.f1 == pytest.approx(2 / (1 / 75 + 1 / 60))
    assert ship == ClassScore(0.0, None, 0.0)
    assert yak == ClassScore(None, 0.0, 0.0)
