"""Calibration against its definition written out, and the temperature against torch's own optimizer."""

import pytest
import torch
from torch.nn import functional

from resunit.training.calibration import expected_error, fit_temperature, measure_calibration, sort_into_bins


def draw_answers(images: int, sharpness: float, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits whose labels follow their softmax, multiplied by `sharpness` afterwards."""
    generator = torch.Generator().manual_seed(seed)
    logits = 2 * torch.randn(images, 5, generator=generator, dtype=torch.float64)
    labels = torch.multinomial(logits.softmax(1), 1, generator=generator)[:, 0]
    return sharpness * logits, labels


def test_the_error_is_that_of_its_definition() -> None:
    logits, labels = draw_answers(400, 2.0)
    probabilities = logits.softmax(1)
    total = 0.0
    for place in range(15):
        members = [
            (float(row.max()), int(row.argmax()) == int(label))
            for row, label in zip(probabilities, labels, strict=True)
            if place / 15 < float(row.max()) <= (place + 1) / 15
        ]
        if members:
            sure = sum(probability for probability, _ in members) / len(members)
            right = sum(is_right for _, is_right in members) / len(members)
            total += len(members) / len(labels) * abs(sure - right)
    bins = sort_into_bins(probabilities, labels)
    assert expected_error(bins) == pytest.approx(100 * total)
    assert sum(found.images for found in bins) == 400


@pytest.mark.parametrize("sharpness", [0.3, 1.0, 2.5])
def test_the_temperature_minimises_the_cross_entropy(sharpness: float) -> None:
    logits, labels = draw_answers(2000, sharpness)
    inverse = torch.ones((), dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([inverse], max_iter=200, tolerance_grad=1e-12, tolerance_change=1e-15)

    def closure() -> float:
        optimizer.zero_grad()
        loss = functional.cross_entropy(inverse * logits, labels)
        loss.backward()
        return loss.item()

    optimizer.step(closure)
    assert fit_temperature(logits, labels) == pytest.approx(1 / inverse.item(), rel=1e-5)
    assert fit_temperature(logits, labels) == pytest.approx(sharpness, rel=0.1)


def test_too_sharp_answers_are_found_and_mended_on_images_that_were_not_fitted() -> None:
    logits, labels = draw_answers(8000, 3.0)
    found = measure_calibration(logits.softmax(1).float(), labels)
    assert found is not None
    assert found.error > 10
    assert found.error_after < found.error_before / 4
    assert found.temperature == pytest.approx(3, rel=0.1)
    assert [step.probability for step in found.bins] == sorted(step.probability for step in found.bins)


def test_certain_answers_and_few_images_are_finite() -> None:
    certain = torch.eye(3)[[0, 1, 2, 0]]
    found = measure_calibration(certain, torch.tensor([0, 1, 2, 1]))
    assert found is not None
    assert found.error == pytest.approx(25)
    assert measure_calibration(certain[:1], torch.tensor([0])) is None
