"""The published facts; and, with a network, the whole of CIFAR-10, byte for byte."""

import hashlib
from pathlib import Path

import pytest
import torch
from torchvision.datasets import CIFAR10 as TorchvisionCifar10
from torchvision.datasets import CIFAR100 as TorchvisionCifar100

from resunit.data import Dataset, Split, fetch, load, verify
from resunit.data.cifar.facts import CIFAR10, CIFAR100, Cifar
from resunit.data.cifar.sample import FOLDER
from tools.make_sample import sample_records


@pytest.mark.parametrize(
    ("cifar", "theirs"),
    [(CIFAR10, TorchvisionCifar10), (CIFAR100, TorchvisionCifar100)],
    ids=["cifar10", "cifar100"],
)
def test_the_checksums_of_the_pickles_are_torchvisions(
    cifar: Cifar, theirs: type[TorchvisionCifar10] | type[TorchvisionCifar100]
) -> None:
    published = {**dict(theirs.train_list), **dict(theirs.test_list), theirs.filename: theirs.tgz_md5}
    assert published.items() <= dict(cifar.md5).items()


def test_the_classes_are_complete() -> None:
    assert (len(CIFAR10.classes), len(set(CIFAR100.classes))) == (10, 100)
    assert list(CIFAR10.classes) == sorted(CIFAR10.classes)
    assert list(CIFAR100.classes) == sorted(CIFAR100.classes)
    assert [CIFAR100.classes[label] for label in (0, 19, 49, 99)] == ["apple", "cattle", "mountain", "worm"]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("root")
    fetch("cifar10", root=root, progress=False)
    return root


@pytest.fixture(scope="module")
def cifar10(root: Path) -> Dataset[Split]:
    return load("cifar10", root=root, progress=False)


@pytest.mark.full
def test_all_six_files_are_the_published_ones_byte_for_byte(root: Path) -> None:
    for file, expected in CIFAR10.sha256.items():
        content = (root / "cifar10" / file).read_bytes()
        assert len(content) == 30_730_000
        assert hashlib.sha256(content).hexdigest() == expected
    assert all(check.ok for check in verify("cifar10", root=root))


@pytest.mark.full
def test_cifar10_is_what_everybody_knows(cifar10: Dataset[Split]) -> None:
    assert cifar10.train.images.shape == (50_000, 3, 32, 32)
    assert torch.bincount(cifar10.train.labels).tolist() == [5000] * 10
    assert torch.bincount(cifar10.test.labels).tolist() == [1000] * 10
    means = cifar10.train.images.double().mean((0, 2, 3)) / 255
    assert torch.allclose(means, torch.tensor([0.4914, 0.4822, 0.4465], dtype=torch.float64), atol=1e-4)
    held = cifar10.hold_out(5000)
    assert torch.bincount(held.test.labels).tolist() == [500] * 10
    assert len(held.train) == 45_000


@pytest.mark.full
def test_the_sample_is_made_anew_byte_for_byte(cifar10: Dataset[Split]) -> None:
    for file, content in sample_records(cifar10).items():
        assert (FOLDER / file).read_bytes() == content
