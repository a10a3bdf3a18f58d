"""Stored bytes -> uint8 images -> batches on the device, augmented. Nothing here knows what a network is."""

from .augmentation import Augmentation, EpochPlan, augment, epoch_plan
from .dataset import Dataset, Split
from .errors import DataError, UnknownDataset, Unreachable
from .images import centre, read_images
from .loading import fetch, load, stream, verify
from .normalisation import Normalisation
from .picture import show
from .storage import FileCheck
from .streaming import EvaluationCrop, StreamedSplit

__all__ = [
    "Augmentation",
    "DataError",
    "Dataset",
    "EpochPlan",
    "EvaluationCrop",
    "FileCheck",
    "Normalisation",
    "Split",
    "StreamedSplit",
    "UnknownDataset",
    "Unreachable",
    "augment",
    "centre",
    "epoch_plan",
    "fetch",
    "load",
    "read_images",
    "show",
    "stream",
    "verify",
]
