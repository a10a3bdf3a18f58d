import pytest

from resunit.runs.confusion import ClassError, Confusion


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
