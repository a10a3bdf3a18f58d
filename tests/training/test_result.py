"""The pictures and the sample of answers in evaluation.json."""

import base64
import io

import numpy as np
import pytest
import torch
from PIL import Image

from resunit.data.data_uri import THUMBNAIL_PIXELS, data_uri
from resunit.training.evaluation import Errors, Predictions
from resunit.training.result import PREDICTIONS_SHOWN, spread_over


@pytest.mark.parametrize(
    ("height", "width", "size"),
    [(32, 32, (32, 32)), (256, 512, (THUMBNAIL_PIXELS, THUMBNAIL_PIXELS // 2)), (1, 1, (1, 1))],
)
def test_a_large_image_becomes_a_thumbnail_and_a_small_one_stays(
    height: int, width: int, size: tuple[int, int]
) -> None:
    image = (
        torch.arange(height * width).remainder(251).to(torch.uint8).view(1, height, width).expand(3, -1, -1)
    )
    kind, _, content = data_uri(image).partition(",")
    assert kind == "data:image/png;base64"
    picture = Image.open(io.BytesIO(base64.b64decode(content)))
    assert picture.size == size
    if size == (width, height):
        assert np.asarray(picture)[..., 0].tolist() == image[0].tolist()


@pytest.mark.parametrize("images", [1, 7, PREDICTIONS_SHOWN, 25, 10_000])
def test_the_sample_has_each_image_once_from_the_whole_split(images: int) -> None:
    indices = spread_over(images)
    assert len(indices) == min(images, PREDICTIONS_SHOWN)
    assert indices == sorted(set(indices))
    assert indices[0] == 0
    assert images - images / len(indices) - 1 <= indices[-1] < images


def test_very_many_classes_have_no_matrix_which_would_take_minutes_to_write() -> None:
    for classes, rows in ((2_000, 2_000), (2_001, 0)):
        probabilities = torch.zeros(2, classes)
        probabilities[:, 1] = 1
        predictions = Predictions(0.0, Errors(50.0, None), probabilities, torch.tensor([0, 1]))
        assert len(predictions.confusion()) == rows
