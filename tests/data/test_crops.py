"""Crops told by what they show: pictures whose red grows to the right and whose green grows downwards."""

from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import Tensor
from torchvision.transforms import v2

from resunit.data import Augmentation
from resunit.data.crops import Lighting, TrainingCrop, evaluation_crop

SIDE = 56  # 64 in tests, 80 for the large crop, 64 to 120 in training
WIDTH, HEIGHT = 240, 160


@pytest.fixture(scope="module")
def ramps(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("crops") / "ramps.png"
    right = torch.linspace(0, 255, WIDTH).expand(HEIGHT, WIDTH)
    down = torch.linspace(0, 255, HEIGHT)[:, None].expand(HEIGHT, WIDTH)
    pixels = torch.stack([right, down, torch.full_like(right, 128)], dim=2).round().to(torch.uint8)
    Image.fromarray(pixels.numpy()).save(path)
    return path


def seen(image: Tensor) -> tuple[float, float]:
    """How much of the picture's width and of its height a crop shows, as fractions."""
    return _share(image[0].float().mean(0)), _share(image[1].float().mean(1))


def _share(line: Tensor) -> float:
    """Return which share of 0 to 255 a line of colours covers, without its ends, which resizing bends."""
    inner = (line[-2] - line[1]).item() / 255
    return inner * len(line) / (len(line) - 3)


def drawn(view: TrainingCrop, path: Path, count: int) -> list[Tensor]:
    torch.manual_seed(0)
    return [view(path) for _ in range(count)]


def test_scales_are_uniform_between_8_and_15_sevenths(ramps: Path) -> None:
    crops = drawn(TrainingCrop(SIDE, Augmentation(crop="scale")), ramps, 200)
    assert {crop.shape for crop in crops} == {(3, SIDE, SIDE)}
    shorter = torch.tensor([SIDE / seen(crop)[1] for crop in crops])
    assert shorter.min() > 63
    assert shorter.max() < 122
    assert shorter.mean() == pytest.approx(92, abs=4)
    across = torch.tensor([seen(crop)[0] for crop in crops]) * WIDTH / HEIGHT * shorter
    assert (across - SIDE).abs().max() < 2, "the aspect ratio stays"
    left = torch.tensor([crop[0, :, 1].float().mean() for crop in crops])
    assert left.min() < 20
    assert left.max() > 120, "crops are taken anywhere"


def test_areas_and_aspect_ratios(ramps: Path) -> None:
    crops = drawn(TrainingCrop(SIDE, Augmentation(crop="scale-aspect")), ramps, 200)
    shares = [seen(crop) for crop in crops]
    areas = torch.tensor([width * height for width, height in shares])
    ratios = torch.tensor([width * WIDTH / (height * HEIGHT) for width, height in shares])
    assert 0.07 < areas.min() < 0.15
    assert 0.8 < areas.max() < 1.01
    assert 0.70 < ratios.min() < 0.8
    assert 1.25 < ratios.max() < 1.40


def test_colours_change_only_where_they_are_asked_to(ramps: Path) -> None:
    plain = drawn(TrainingCrop(SIDE, Augmentation(crop="scale")), ramps, 3)
    coloured = drawn(TrainingCrop(SIDE, Augmentation(crop="scale", colour=True)), ramps, 30)
    assert all((crop[2].int() - 128).abs().max() <= 1 for crop in plain)
    blue = torch.tensor([crop[2].float().mean() for crop in coloured])
    assert blue.std() > 10


def test_lighting_follows_the_published_directions() -> None:
    """The covariance of the shifts is V diag((0.1 lambda)^2) V'."""
    torch.manual_seed(0)
    grey = torch.full((3, 1, 1), 128, dtype=torch.uint8)
    shifts = torch.stack([Lighting()(grey).flatten() for _ in range(4000)]).double() - 128
    vectors, values = Lighting.EIGENVECTORS.double(), 25.5 * Lighting.EIGENVALUES.double()
    expected = vectors @ values.square().diag() @ vectors.T
    assert shifts.mean(0).abs().max() < 0.3
    assert (shifts.T.cov() - expected).abs().max() < 0.06 * expected.max()


def test_a_test_crop_is_the_centre_at_8_sevenths(ramps: Path) -> None:
    crop = evaluation_crop(SIDE, "crop")(ramps)
    expected = v2.Compose([v2.Resize(64), v2.CenterCrop(SIDE), v2.PILToTensor()])(Image.open(ramps))
    assert crop.shape == (3, SIDE, SIDE)
    assert (crop.int() - expected.int()).abs().max() <= 3


def test_a_large_crop_is_the_whole_height_at_10_sevenths(ramps: Path) -> None:
    crop = evaluation_crop(SIDE, "large crop")(ramps)
    assert crop.shape == (3, 80, 80)
    assert seen(crop)[1] == pytest.approx(1, abs=0.02)
    assert seen(crop)[0] == pytest.approx(HEIGHT / WIDTH, abs=0.02)


def test_ten_crops_are_corners_and_centre_and_their_mirror_images(ramps: Path) -> None:
    crops = evaluation_crop(SIDE, "ten crops")(ramps)
    assert crops.shape == (10, 3, SIDE, SIDE)
    places = [(crop[0, 0, 0] * (96 / 255), crop[1, 0, 0] * (64 / 255)) for crop in crops[:5]]
    corners = [(0, 0), (40, 0), (0, 8), (40, 8), (20, 4)]  # of 56 pixels in 96 x 64
    assert torch.tensor(places) == pytest.approx(torch.tensor(corners), abs=1.5)
    mirrored = [crop.flip(-1) for crop in crops[:4]]
    assert all(any(torch.equal(crop, other) for other in mirrored) for crop in crops[5:9])
    centre = evaluation_crop(SIDE, "crop")(ramps)
    assert (crops[4].int() - centre.int()).abs().max() <= 3
    assert torch.equal(crops[9], crops[4].flip(-1))
