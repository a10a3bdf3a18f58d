"""An epoch of image files as batches for training: by resunit, and by torchvision and torch as users join them."""

import tempfile
from collections.abc import Iterable
from pathlib import Path

from PIL import Image
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
DETAILS = Details(data=f"{FILES} JPEG files of {FILE_SIDE} pixels")
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
    """Return the making of an epoch of random crops, mirrored half of the time, as `resunit train` makes it.

    A whole epoch, because a loader makes some batches before they are asked for: while other entries have their
    turns it would get ahead.
    """
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
    return lambda: _go_through(batches.between(0, batches.per_epoch, lambda _: SIDE), folder), DETAILS


def prepare_torchvision_loading(batch_size: int, workers: int) -> Prepared:
    """Return the making of such an epoch by torchvision's ImageFolder and torch's DataLoader."""
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
    return lambda: _go_through(loader, folder), DETAILS


def _go_through(batches: Iterable[object], _folder: tempfile.TemporaryDirectory[str]) -> None:
    """Make all batches; their folder is kept until then."""
    for _ in batches:
        pass
