"""What keeps work from being captured is seen: questions to the device, other operators, numbers and places."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from resunit.training.operator_record import OperatorRecord, find_obstacle

X = torch.randn(4, 5)


def record(*work: Callable[[], object]) -> list[OperatorRecord]:
    records = []
    for each in work:
        with OperatorRecord() as one:
            each()
        records.append(one)
    return records


@pytest.mark.parametrize(
    ("work", "operator"),
    [
        (lambda: X.sum().item(), "aten._local_scalar_dense"),
        (lambda: float(X.mean()), "aten._local_scalar_dense"),
        (lambda: bool((X > 0).any()), "aten._local_scalar_dense"),
        (lambda: X.nonzero(), "aten.nonzero"),
        (lambda: X[X > 0], "aten.index"),
        (lambda: torch.where(X > 0), "aten.nonzero"),
        (lambda: X.masked_select(X > 0), "aten.masked_select"),
        (lambda: torch.equal(X, X), "aten.equal"),
        (lambda: X.unique(), "aten._unique"),
        (lambda: X.to("meta"), "aten._to_copy"),
        (lambda: torch.empty(4, 5, device="meta").copy_(X), "aten.copy_"),
    ],
)
def test_a_question_to_the_device_is_an_obstacle(work: Callable[[], object], operator: str) -> None:
    (one,) = record(work)
    assert [name for name in one.questions if name.startswith(operator)]
    assert operator in str(find_obstacle([one]))


def test_work_that_stays_on_the_device_is_none() -> None:
    rates = torch.tensor(0.1)
    weight = torch.randn(5, 3, requires_grad=True)

    def work() -> Tensor:
        weight.grad = None
        loss = functional.cross_entropy(functional.dropout(X) @ weight, torch.zeros(4, dtype=torch.int64))
        loss.backward()
        with torch.no_grad():
            assert weight.grad is not None
            weight.sub_(rates * weight.grad)
        return X[torch.arange(3)].clamp(min=0)

    assert find_obstacle(record(work, work, work)) is None


@pytest.mark.parametrize(
    "values",
    [
        (lambda: X * 2, lambda: X * 3),
        (lambda: X.sum(0), lambda: X.sum(1)),
        (lambda: X * 2, lambda: (X * 2).relu()),
        (lambda: X[:2] * 2, lambda: X[:3] * 2),
        (lambda: X * 2, lambda: X.clone() * 2),
    ],
)
def test_work_that_differs_is_an_obstacle(values: tuple[Callable[[], Tensor], ...]) -> None:
    assert find_obstacle(record(*values)) == "it differs from step to step"


def test_an_input_that_moves_is_an_obstacle() -> None:
    """A graph would go on to read the first one."""
    inputs = [torch.randn(4), torch.randn(4)]
    first, second = record(lambda: inputs[0] * 2, lambda: inputs[1] * 2)
    assert find_obstacle([first, first]) is None
    assert find_obstacle([first, second]) == "it differs from step to step"
