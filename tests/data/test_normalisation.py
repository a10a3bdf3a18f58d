"""Normalisation against the plain formula, and through the JSON that a weights file keeps."""

import json

import pytest
import torch

from resunit.data import Normalisation, load
from resunit.data.normalisation import NormalisationKind
from resunit.errors import UsageError

KINDS: list[NormalisationKind] = ["channel", "pixel"]


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    return load("cifar10-sample").train.images


def test_channel_is_the_mean_and_deviation_of_each_channel(images: torch.Tensor) -> None:
    fitted = Normalisation.fit(images, "channel")
    scaled = images.double() / 255
    assert torch.allclose(fitted.mean.flatten().double(), scaled.mean((0, 2, 3)), atol=1e-7)
    assert torch.allclose(fitted.std.flatten().double(), scaled.std((0, 2, 3), correction=0), atol=1e-7)


def test_pixel_is_the_mean_image_and_one_deviation(images: torch.Tensor) -> None:
    fitted = Normalisation.fit(images, "pixel")
    scaled = images.double() / 255
    assert torch.allclose(fitted.mean.double(), scaled.mean(0), atol=1e-7)
    assert torch.allclose(fitted.std.double(), (scaled - scaled.mean(0)).square().mean().sqrt(), atol=1e-7)
    assert fitted.std.numel() == 1


@pytest.mark.parametrize("kind", KINDS)
def test_normalisation_is_its_formula_and_gives_channels_last(
    kind: NormalisationKind, images: torch.Tensor
) -> None:
    fitted = Normalisation.fit(images, kind)
    result = fitted(images)
    assert result.dtype == torch.float32
    assert result.is_contiguous(memory_format=torch.channels_last)
    assert torch.allclose(result, (images / 255 - fitted.mean) / fitted.std, atol=1e-5)
    assert torch.equal(fitted.undo(result), images)


@pytest.mark.parametrize("kind", KINDS)
def test_json_keeps_every_bit(kind: NormalisationKind, images: torch.Tensor) -> None:
    fitted = Normalisation.fit(images, kind)
    document = json.loads(json.dumps(fitted.to_json()))
    again = Normalisation.from_json(document)
    assert again.kind == kind
    assert torch.equal(again(images[:5]), fitted(images[:5]))


@pytest.mark.parametrize("kind", KINDS)
def test_images_of_one_colour_stay_finite(kind: NormalisationKind) -> None:
    black = torch.zeros(4, 3, 8, 8, dtype=torch.uint8)
    assert Normalisation.fit(black, kind)(black).abs().max() == 0


def test_an_unknown_kind_is_refused(images: torch.Tensor) -> None:
    with pytest.raises(UsageError, match=r"'zca'.*channel, pixel"):
        Normalisation.fit(images, "zca")  # type: ignore[arg-type]
