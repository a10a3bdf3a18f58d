"""The end of a training is the last twentieth of its steps."""

import pytest

from resunit.runs.end_of_training import mean_at_the_end, steps_before_the_end


@pytest.mark.parametrize(
    ("steps", "first"), [(64_000, 60_801), (400, 381), (60, 58), (40, 39), (21, 20), (20, 20), (3, 3), (1, 1)]
)
def test_the_end_is_every_step_beyond_95_percent(steps: int, first: int) -> None:
    beyond = [step for step in range(1, steps + 1) if 100 * step > 95 * steps]
    assert beyond[0] == first == steps_before_the_end(steps) + 1


@pytest.mark.parametrize(
    ("means", "expected"),
    [
        ([(380, 9.0), (400, 1.0)], 1.0),
        ([(190, 7.0), (380, 9.0), (385, 4.0), (400, 2.0)], (5 * 4.0 + 15 * 2.0) / 20),
        ([(375, 9.0), (400, 1.0)], None),  # An interval lies across the beginning of the end.
        ([(380, 9.0), (395, 1.0)], None),  # The last steps are missing.
        ([(380, 9.0), (390, None), (400, 1.0)], None),
        ([(400, 1.0)], None),
        ([], None),
    ],
)
def test_each_step_counts_once_or_nothing_is_known(
    means: list[tuple[int, float | None]], expected: float | None
) -> None:
    assert mean_at_the_end(means, 400) == expected


def test_a_run_of_few_steps_ends_with_its_last_step() -> None:
    assert mean_at_the_end([(2, 5.0), (3, 1.0)], 3) == 1.0
    assert mean_at_the_end([(1, 5.0)], 1) == 5.0
