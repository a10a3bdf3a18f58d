"""The data room leaves the program that calls it as it was, and gives the same numbers in any program."""

import os
import random
import signal
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from resunit.data import Augmentation, Normalisation, augment, epoch_plan, load, show, stream
from tests.data.photographs import write_photographs

PHOTOGRAPHIC = Augmentation(padding=0, crop="scale", colour=True)


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_photographs(tmp_path_factory.mktemp("host") / "photos", train=2, val=1)


def load_and_augment(_photographs: Path, _out: Path) -> torch.Tensor:
    train = load("cifar10-sample").train
    plan = epoch_plan(0, 1, len(train), Augmentation(flip="alternating"))
    images = Normalisation.fit(train.images, "pixel")(train.images[:50])
    return augment(images, plan.offsets[:50], plan.flips[:50], Augmentation())


def read_a_folder(photographs: Path, _out: Path) -> torch.Tensor:
    return Normalisation.of_imagenet()(load(str(photographs), image_size=24).hold_out(3).train.images)


def stream_a_folder(photographs: Path, out: Path) -> torch.Tensor:
    dataset = stream(str(photographs), image_size=28)
    show(dataset, PHOTOGRAPHIC, Normalisation.of_imagenet(), out / "shown.png")
    plan = epoch_plan(0, 0, len(dataset.train), PHOTOGRAPHIC)
    augmented = dataset.train.augment([(plan, plan.order)], PHOTOGRAPHIC)
    return torch.cat([*augmented, *dataset.test.pictures(torch.arange(6))])


Use = Callable[[Path, Path], torch.Tensor]
USES: list[Use] = [load_and_augment, read_a_folder, stream_a_folder]


def host() -> list[object]:
    """Return what the program could have set, and what its own random numbers depend on."""
    return [
        torch.get_rng_state().tolist(),
        random.getstate(),
        str(np.random.get_state()),  # noqa: NPY002
        torch.get_num_threads(),
        torch.get_default_dtype(),
        torch.is_grad_enabled(),
        dict(os.environ),
        list(sys.path),
        list(warnings.filters),
        [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)],
        Path.cwd(),
    ]


@pytest.fixture
def other_defaults() -> Iterator[None]:
    dtype = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        with torch.no_grad():
            yield
    finally:
        torch.set_default_dtype(dtype)


@pytest.mark.parametrize("use", USES)
def test_the_host_stays_as_it_was(use: Use, photographs: Path, tmp_path: Path) -> None:
    use(photographs, tmp_path)  # What an import does to the host happens only once.
    before = host()
    use(photographs, tmp_path)
    assert host() == before


@pytest.mark.parametrize("use", USES)
def test_the_hosts_state_does_not_matter(
    use: Use, photographs: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    expected = use(photographs, tmp_path)
    torch.manual_seed(12345)
    request.getfixturevalue("other_defaults")
    result = use(photographs, tmp_path)
    assert result.dtype == expected.dtype
    assert torch.equal(result, expected)
