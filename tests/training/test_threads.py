"""Torch computes with as many threads as this process has cores."""

import pytest
import torch

from resunit.training import threads
from resunit.training.process_state import isolated_process_state
from resunit.training.threads import limit_threads


@pytest.mark.parametrize(("cores", "variable", "expected"), [(2, None, 2), (8, None, 4), (2, "4", 4)])
def test_threads_are_at_most_the_cores_unless_the_user_says(
    monkeypatch: pytest.MonkeyPatch, cores: int, variable: str | None, expected: int
) -> None:
    monkeypatch.setattr(threads, "available_cores", lambda: cores)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if variable is not None:
        monkeypatch.setenv("OMP_NUM_THREADS", variable)
    with isolated_process_state():
        torch.set_num_threads(4)
        limit_threads()
        assert torch.get_num_threads() == expected
