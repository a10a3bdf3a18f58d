"""Errors over augmented views of each image: against views and logits made one by one."""

from pathlib import Path

import pytest
import torch
from torch.nn import functional

import resunit
from resunit.data import Normalisation, Split, load
from resunit.inference.weights_evaluation import evaluate_weights
from resunit.models.registry import network_spec
from resunit.models.summary import count_multiply_adds
from resunit.runs.folder import RunFolder
from resunit.training.distributed import start_distributed
from resunit.training.evaluation import evaluate_views, shift
from resunit.training.recipe import with_changes
from resunit.training.recipes import named_recipe


@pytest.mark.parametrize("pixels", [-1, 1, 2])
def test_a_shift_is_a_crop_of_the_reflected_image(pixels: int) -> None:
    images = torch.randint(0, 256, (3, 3, 9, 12), dtype=torch.uint8)
    padded = functional.pad(images.float(), (2, 2, 2, 2), mode="reflect")
    top = 2 - pixels
    assert torch.equal(shift(images, pixels).float(), padded[..., top : top + 9, top : top + 12])


def test_views_are_weighed_as_written() -> None:
    """0.5 for the image and 0.25 for each shift, half of each for the mirror image."""
    test = load("cifar10-sample").test
    test = Split(test.images[:100], test.labels[:100])
    normalisation = Normalisation.fit(test.images, "channel")
    torch.manual_seed(0)
    network = resunit.create_model("preresnet20").eval()
    padded = functional.pad(normalisation(test.images), (1, 1, 1, 1), mode="reflect")
    weights = {(1, 1): 0.5, (2, 2): 0.25, (0, 0): 0.25}  # where the crop begins
    mirrored = logits = torch.zeros(len(test.labels), 10)
    with torch.inference_mode():
        for (top, left), weight in weights.items():
            view = padded[..., top : top + 32, left : left + 32]
            both = (network(view) + network(view.flip(-1))) / 2
            logits = logits + weight * both
            mirrored = both if (top, left) == (1, 1) else mirrored
    expected = [100 * (part.argmax(1) != test.labels).float().mean().item() for part in (mirrored, logits)]
    views = evaluate_views(network, test, normalisation, "fp32", start_distributed("cpu"), tta=True)
    assert [view.view for view in views.errors] == ["mirror", "tta"]
    assert [view.error for view in views.errors] == pytest.approx(expected)


@pytest.mark.full
def test_errors_on_other_views_stand_beside_the_plain_error(tmp_path: Path) -> None:
    changes = {
        "model": "preresnet20", "data": "cifar10-sample", "steps": 2, "batch_size": 64, "precision": "fp32",
        "tta": True,
    }  # fmt: skip
    recipe = with_changes(named_recipe("paper"), changes)
    result = resunit.train(recipe, out=tmp_path / "run", quiet=True)
    record = RunFolder(tmp_path / "run").read_evaluation()
    assert record is not None
    confusion = torch.tensor(record.confusion)
    assert result.test_error == pytest.approx(100 * (1 - confusion.trace() / confusion.sum()).item())
    one_view = 2 * 500 * count_multiply_adds(network_spec("preresnet20"), 32)
    assert result.evaluation_flops == (1 + 6) * one_view
    evaluated = evaluate_weights(tmp_path / "run", tta=True)
    assert evaluated.error == result.test_error
    assert evaluated.views == result.views
    page = (tmp_path / "run" / "report.html").read_text()
    for error in (evaluated.error, *(view.error for view in evaluated.views)):
        assert f"{error:.2f}\N{NO-BREAK SPACE}%" in page
