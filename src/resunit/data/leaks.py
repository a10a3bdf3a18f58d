"""Judged images that are also trained on, looked for before a run begins."""

import hashlib

from resunit.data.dataset import Dataset, Split
from resunit.data.streaming import StreamedSplit
from resunit.io.format import format_count


def describe_leak(dataset: Dataset[Split | StreamedSplit]) -> str | None:
    """Return a note if images that the run is judged on are, pixel for pixel, among those that it trains on.

    Only images in memory are compared, which costs as much as the data set's checksum. Streamed images would all
    have to be decoded for it.
    """
    train, judged = dataset.train, dataset.test
    if not isinstance(train, Split) or not isinstance(judged, Split):
        return None
    known = set(_digests(train))
    found = sum(digest in known for digest in _digests(judged))
    if not found:
        return None
    images = format_count(len(judged), f"{dataset.split_name} image")
    return (
        f"{dataset.name}: {found:,} of {images} stand among the training images too, so the error is too low; "
        "resunit data check names them"
    )


def _digests(split: Split) -> list[bytes]:
    """Return the SHA-256 of each image."""
    images = split.images.cpu().contiguous().numpy()
    return [hashlib.sha256(image.data).digest() for image in images]
