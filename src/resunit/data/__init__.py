"""Image data sets: stored bytes become uint8 images, and these become augmented, normalised batches.

Nothing in this room knows what a network is.
"""

from resunit.data.augmentation import Augmentation, EpochPlan, augment, epoch_plan
from resunit.data.cifar.storage import FileCheck
from resunit.data.dataset import Dataset, Split
from resunit.data.folders import JudgedImages
from resunit.data.images import centre, read_images
from resunit.data.loading import (
    fetch,
    is_folder,
    load,
    load_judged,
    noise_like,
    stream,
    verify,
)
from resunit.data.normalisation import Normalisation
from resunit.data.own_images import OwnImages, as_dataset, make_dataset
from resunit.data.picture import show
from resunit.data.random_transforms import erase, images_for_training
from resunit.data.streaming import EvaluationCrop, StreamedSplit

__all__ = [
    "Augmentation",
    "Dataset",
    "EpochPlan",
    "EvaluationCrop",
    "FileCheck",
    "JudgedImages",
    "Normalisation",
    "OwnImages",
    "Split",
    "StreamedSplit",
    "as_dataset",
    "augment",
    "centre",
    "epoch_plan",
    "erase",
    "fetch",
    "images_for_training",
    "is_folder",
    "load",
    "load_judged",
    "make_dataset",
    "noise_like",
    "read_images",
    "show",
    "stream",
    "verify",
]
