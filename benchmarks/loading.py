"""Image files on disk as batches for training: by resunit, and by torchvision and torch as their users join them."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader
from torchvision import transforms
from torchvision.datasets import ImageFolder

from benchmarks.processes import Prepared
from benchmarks.records import Details
from resunit.data import Augmentation, Normalisation, load, stream
from resunit.training.batches import Batches
from resunit.training.distributed import start_distributed

FILES, FILE_SIDE, SIDE = 1024, 256, 224
SAMPLE = "cifar10-sample"
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet, as Normalisation.of_imagenet has them


def write_images(folder: Path) -> None:
    """Write JPEG files of `FILE_SIDE` pixels in two classes, made of small photographs, as training images."""
    images = load(SAMPLE, progress=False).train.images
    for number in range(FILES):
        place = folder / "train" / f"class{number % 2}"
        place.mkdir(parents=True, exist_ok=True)
        pixels = images[number % len(images)].permute(1, 2, 0).numpy()
        Image.fromarray(pixels).resize((FILE_SIDE, FILE_SIDE)).save(place / f"{number}.jpg", quality=90)


def prepare_our_loading(batch_size: int) -> Prepared:
    """Return the making of one batch of random crops, mirrored half of the time, as `resunit train` makes it."""
    folder = tempfile.TemporaryDirectory()
    write_images(Path(folder.name))
    batches = Batches(
        split=stream(folder.name, image_size=SIDE).train,
        normalisation=Normalisation.of_imagenet(),
        augmentation=Augmentation(crop="scale-aspect"),
        seed=0,
        batch_size=batch_size,
        ghost_batch_size=None,
        distributed=start_distributed("cpu"),
    )
    made = batches.between(0, 10**9, lambda _: SIDE)
    return lambda: (folder, next(made)), Details(data=f"{FILES} JPEG files of {FILE_SIDE} pixels")


def prepare_torchvision_loading(batch_size: int, workers: int) -> Prepared:
    """Return the making of one such batch by torchvision's ImageFolder and torch's DataLoader."""
    folder = tempfile.TemporaryDirectory()
    write_images(Path(folder.name))
    transform = transforms.Compose(
        [
            transforms.RandomResizedCrop(SIDE),
            transforms.RandomHorizontalFlip(),
            transforms.ToTensor(),
            transforms.Normalize(MEAN, STD),
        ]
    )
    files = ImageFolder(str(Path(folder.name) / "train"), transform)
    loader = DataLoader(files, batch_size, shuffle=True, num_workers=workers, drop_last=True)
    made = _repeat(loader)
    return lambda: (folder, next(made)), Details(data=f"{FILES} JPEG files of {FILE_SIDE} pixels")


def _repeat(loader: DataLoader[tuple[Tensor, Tensor]]) -> Iterator[tuple[Tensor, Tensor]]:
    while True:
        yield from loader
